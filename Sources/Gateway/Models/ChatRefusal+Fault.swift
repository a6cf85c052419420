import Faults

extension ChatRefusal {
    var fault: Fault {
        let what = "This request cannot be passed on to a model."
        let (why, fix): (String, String) =
            switch self {
            case .body(.notJSON): ("Its body is not one JSON document in UTF-8.", "Send valid JSON.")
            case .body(.notAnObject): ("Its body is not a JSON object.", "Send an object with `model` and `messages`.")
            case .body(.tooMany): ("Its body has more than \(BodyMembers.countMax) members.", "Send fewer.")
            case .body(.repeated(let key)):
                ("The key '\(key)' stands twice in one object, and readers disagree on which counts.", "Send every key once.")
            case .body(.escaped(let key)):
                ("The key '\(key)' is written with escapes, so that readers may not agree what it is.", "Write keys plainly.")
            case .noMessages: ("It has no list of `messages`.", "Send `messages` as a list.")
            case .badMessage(let index, let why): ("Message \(index) \(why).", "Send messages with `role` and `content`.")
            case .missingVariable(let name, let expected):
                (
                    "The prompt of this route needs the variable '\(name)' (\(expected)), which stands neither in `variables` nor in `metadata`.",
                    "Send it: \"variables\": {\"\(name)\": ...}."
                )
            case .wrongVariable(let name, let expected):
                ("The variable '\(name)' of this route's prompt is not \(expected).", "Send \(expected).")
            case .noInput:
                (
                    "The prompt of this route speaks of what the user wrote, and the last message of the user is no text.",
                    "Send a message with role `user` whose `content` is a string."
                )
            case .badNumber(let name):
                (
                    "Its `\(name)` is not a whole number from 0 on, and the budget needs to know how long an answer may be.",
                    "Send a whole number."
                )
            case .disguisedPath:
                (
                    "Its path is another way of writing one of those that are rewritten for this route.",
                    "Write the path plainly: /v1/chat/completions."
                )
            case .badStreamOptions: ("Its `stream_options` are not an object.", "Send an object, or leave them out.")
            }
        return Fault(.usage, what: what, why: why, fix: fix)
    }
}
