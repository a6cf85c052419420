internal import CJSON
import Registry
import Routing
import Sockets

/// What is known of a request of OpenAI's API once its body was read.
struct ChatFacts {
    /// The body that is sent stands in the buffer; else the client's own is sent.
    var isRewritten = false
    var streams = false
    /// The client asked for the event that tells the usage, so that it gets it.
    var wantsUsage = false
    /// The model that is asked; nil where the body does not say.
    var model: String?
    var outputTokensMax: Int64?
    var choices: Int64 = 1
    /// The member whose number nobody can read; what the request may cost is unknown then.
    var unclear: String?

    /// Whatever was made of a body, this is what it says now.
    mutating func reread(_ body: UnsafeBufferPointer<UInt8>) throws(ChatRefusal) {
        let now = try unsafe BodyMembers.read(body) { members in unsafe ChatFacts(members, body) }
        (model, outputTokensMax, choices, unclear) = (now.model, now.outputTokensMax, now.choices, now.unclear)
    }

    init() {}

    init(_ members: BodyMembers, _ body: UnsafeBufferPointer<UInt8>) {
        streams = members.says("true", at: members.value(named: "stream"))
        model = members.value(named: "model").flatMap { members.inside($0) }.map { members.text($0) }
        for name: StaticString in ["max_completion_tokens", "max_tokens", "max_output_tokens"] {
            outputTokensMax = number(name, members).map { max($0, outputTokensMax ?? 0) } ?? outputTokensMax
        }
        for name: StaticString in ["n", "best_of"] { choices = max(choices, number(name, members) ?? 1) }
        // Each of several prompts is answered for itself.
        if let prompts = members.value(named: "prompt"), unsafe body[prompts.lowerBound] == 0x5B {
            choices = min(choices, 1 << 20) * (unsafe ChatFacts.prompts(body.part(prompts)))
        }
    }

    private mutating func number(_ name: StaticString, _ members: BodyMembers) -> Int64? {
        guard let value = members.value(named: name), !members.holds(value, "null") else { return nil }
        if let number = members.integer(value) { return number }
        unclear = "\(name)"
        return nil
    }

    /// How many texts, or lists of tokens, a list has.
    private static func prompts(_ list: UnsafeBufferPointer<UInt8>) -> Int64 {
        var (at, start, end) = (0, 0, 0)
        var count: Int64 = 0
        while unsafe claw_json_next_item(list.baseAddress, list.count, &at, &start, &end) == 1 {
            if unsafe list[start] == 0x22 || list[start] == 0x5B { count += 1 }
        }
        return max(1, min(count, 1 << 20))
    }
}

/// Makes the body that a provider gets of the one that a client sent: one pass, one copy.
///
/// What a prompt says replaces what the client says: system messages, model, parameters, tools, response format. Where it has
/// a user template, the last message of the user is made of it. Variables are looked for in the body's `variables` (which are
/// not passed on), then in its `metadata`.
struct ChatRewrite {
    let prompt: CompiledPrompt?
    /// The usage of a streamed answer is asked for.
    let asksUsage: Bool

    func apply(to body: UnsafeBufferPointer<UInt8>, into out: inout ByteBuffer) throws(ChatRefusal) -> ChatFacts {
        try unsafe BodyMembers.read(body) { members throws(ChatRefusal) in
            var facts = unsafe self.facts(of: members, body)
            let options = members.value(named: "stream_options")
            let asks = asksUsage && facts.streams
            if asks, let options { facts.wantsUsage = try unsafe ChatRewrite.asksUsage(body.part(options)) }
            let adds = asks && !facts.wantsUsage
            guard prompt != nil || adds else { return facts }
            facts.isRewritten = true
            unsafe try write(members, body, addsUsage: adds, options: options, into: &out)
            return facts
        }
    }

    private func facts(of members: BodyMembers, _ body: UnsafeBufferPointer<UInt8>) -> ChatFacts {
        var facts = unsafe ChatFacts(members, body)
        facts.model = prompt?.model ?? facts.model
        if let limit = prompt?.outputTokensMax { (facts.outputTokensMax, facts.unclear) = (limit, nil) }
        if let choices = prompt?.choices { facts.choices = max(1, choices) }
        return facts
    }

    /// Whether `include_usage` is true there already.
    private static func asksUsage(_ options: UnsafeBufferPointer<UInt8>) throws(ChatRefusal) -> Bool {
        if unsafe options.elementsEqual("null".utf8) { return false }
        guard unsafe options.first == 0x7B else { throw .badStreamOptions }
        return try unsafe BodyMembers.read(options) { members in
            members.says("true", at: members.value(named: "include_usage"))
        }
    }

    private func write(
        _ members: BodyMembers, _ body: UnsafeBufferPointer<UInt8>, addsUsage: Bool, options: Range<Int>?,
        into out: inout ByteBuffer
    ) throws(ChatRefusal) {
        out.reserve(body.count + 1_024)
        out.append(byte: 0x7B)
        var isFirst = true
        if let prompt {
            out.append(prompt.fixed)
            if prompt.takesMessages {
                try unsafe writeMessages(prompt, members, body, into: &out)
                isFirst = false
            } else if !prompt.fixed.isEmpty {
                out.truncate(to: out.count - 1)  // its last comma
                isFirst = false
            }
        }
        for index in 0..<members.count where keeps(index, of: members, addsUsage: addsUsage) {
            if !isFirst { out.append(byte: 0x2C) }
            isFirst = false
            unsafe out.append(body.part(members.whole(index)))
        }
        if addsUsage {
            if !isFirst { out.append(byte: 0x2C) }
            out.append("\"stream_options\":{\"include_usage\":true")
            if let options { try unsafe writeOtherOptions(body.part(options), into: &out) }
            out.append(byte: 0x7D)
        }
        out.append(byte: 0x7D)
    }

    private func keeps(_ index: Int, of members: BodyMembers, addsUsage: Bool) -> Bool {
        let key = members.key(index)
        if addsUsage, members.holds(key, "stream_options") { return false }
        guard let prompt else { return true }
        if members.holds(key, "variables") { return false }
        if prompt.takesMessages, members.holds(key, "messages") { return false }
        for name in prompt.replaced where members.holds(key, name) { return false }
        return true
    }

    /// The client's other options of streaming.
    private func writeOtherOptions(_ options: UnsafeBufferPointer<UInt8>, into out: inout ByteBuffer) throws(ChatRefusal) {
        guard unsafe options.first == 0x7B else { return }
        try unsafe BodyMembers.read(options) { members throws(ChatRefusal) in
            for index in 0..<members.count where !members.holds(members.key(index), "include_usage") {
                out.append(byte: 0x2C)
                unsafe out.append(options.part(members.whole(index)))
            }
        }
    }
}

extension UnsafeBufferPointer where Element == UInt8 {
    @inline(__always)
    func part(_ range: Range<Int>) -> UnsafeBufferPointer<UInt8> { unsafe UnsafeBufferPointer(rebasing: self[range]) }
}
