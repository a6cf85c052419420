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
            var facts = self.facts(of: members)
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

    private func facts(of members: BodyMembers) -> ChatFacts {
        var facts = ChatFacts()
        facts.streams = members.says("true", at: members.value(named: "stream"))
        facts.model = prompt?.model ?? members.value(named: "model").flatMap { members.inside($0) }.map { members.text($0) }
        facts.outputTokensMax =
            prompt?.outputTokensMax ?? members.integer(members.value(named: "max_completion_tokens"))
            ?? members.integer(members.value(named: "max_tokens"))
        facts.choices = max(1, prompt?.choices ?? members.integer(members.value(named: "n")) ?? 1)
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
