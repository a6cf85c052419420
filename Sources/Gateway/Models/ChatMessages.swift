internal import CJSON
import Registry
import Sockets

extension ChatRewrite {
    /// Where the values of a prompt's variables stand.
    struct Values {
        var rendered: [CompiledPrompt.Variable.Rendered] = []
        /// What the user wrote, between its quotes.
        var input: Range<Int>?
    }

    /// `"messages":[...]`: the prompt's own, and those of the client that are neither the system's nor replaced.
    func writeMessages(
        _ prompt: CompiledPrompt, _ members: BodyMembers, _ body: UnsafeBufferPointer<UInt8>, into out: inout ByteBuffer
    ) throws(ChatRefusal) {
        guard let list = members.value(named: "messages"), unsafe body[list.lowerBound] == 0x5B else { throw .noMessages }
        var values = Values()
        values.rendered = try unsafe variables(of: prompt, members, body)
        let lastOfUser = prompt.user == nil ? nil : try unsafe findLastOfUser(list, body, &values, prompt)
        out.append("\"messages\":[")
        var isFirst = true
        if let system = prompt.system {
            unsafe write(system, role: "system", values, body, into: &out)
            isFirst = false
        }
        var index = 0
        var hasUser = false
        try unsafe eachMessage(list, body) { message throws(ChatRefusal) in
            defer { index += 1 }
            let role = try unsafe ChatRewrite.role(of: body.part(message), index)
            if prompt.system != nil, role == .system { return }
            if !isFirst { out.append(byte: 0x2C) }
            isFirst = false
            if let user = prompt.user, index == lastOfUser {
                unsafe write(user, role: "user", values, body, into: &out)
                hasUser = true
            } else {
                unsafe out.append(body.part(message))
            }
        }
        if let user = prompt.user, !hasUser {
            if !isFirst { out.append(byte: 0x2C) }
            unsafe write(user, role: "user", values, body, into: &out)
        }
        out.append(byte: 0x5D)
    }

    enum Role { case system, user, other }

    /// The role of a message: of the system also under its newer name.
    private static func role(of message: UnsafeBufferPointer<UInt8>, _ index: Int) throws(ChatRefusal) -> Role {
        guard unsafe message.first == 0x7B else { throw .badMessage(index, why: "is not an object") }
        return try unsafe BodyMembers.read(message) { members throws(ChatRefusal) in
            guard let value = members.value(named: "role"), let inside = members.inside(value) else {
                throw .badMessage(index, why: "has no role")
            }
            if members.holds(inside, "user") { return .user }
            if members.holds(inside, "system") || members.holds(inside, "developer") { return .system }
            for byte in inside where unsafe message[byte] == 0x5C {
                throw .badMessage(index, why: "writes its role with escapes")
            }
            return .other
        }
    }

    /// Which message is the user's last, and where its text stands.
    private func findLastOfUser(
        _ list: Range<Int>, _ body: UnsafeBufferPointer<UInt8>, _ values: inout Values, _ prompt: CompiledPrompt
    ) throws(ChatRefusal) -> Int? {
        var index = 0
        var last: (index: Int, message: Range<Int>)?
        try unsafe eachMessage(list, body) { message throws(ChatRefusal) in
            if try unsafe ChatRewrite.role(of: body.part(message), index) == .user { last = (index, message) }
            index += 1
        }
        guard prompt.usesInput else { return last?.index }
        guard let last else { throw .noInput }
        values.input = try unsafe BodyMembers.read(body.part(last.message)) { members throws(ChatRefusal) in
            guard let inside = members.value(named: "content").flatMap({ members.inside($0) }) else { throw .noInput }
            return last.message.lowerBound + inside.lowerBound..<last.message.lowerBound + inside.upperBound
        }
        return last.index
    }

    private func eachMessage(
        _ list: Range<Int>, _ body: UnsafeBufferPointer<UInt8>, _ visit: (Range<Int>) throws(ChatRefusal) -> Void
    ) throws(ChatRefusal) {
        let array = unsafe body.part(list)
        var (at, start, end) = (0, 0, 0)
        while true {
            switch unsafe claw_json_next_item(array.baseAddress, array.count, &at, &start, &end) {
            case 1: try visit(list.lowerBound + start..<list.lowerBound + end)
            case 0: return
            default: throw .body(.notJSON)
            }
        }
    }

    private func write(
        _ pieces: [CompiledPrompt.Piece], role: StaticString, _ values: Values, _ body: UnsafeBufferPointer<UInt8>,
        into out: inout ByteBuffer
    ) {
        out.append("{\"role\":\"")
        out.append(role)
        out.append("\",\"content\":\"")
        for piece in pieces {
            switch piece {
            case .text(let text): out.append(text)
            case .input: if let input = values.input { unsafe out.append(body.part(input)) }
            case .variable(let index):
                switch values.rendered[index] {
                case .raw(let range): unsafe out.append(body.part(range))
                case .standard(let text): out.append(text)
                }
            }
        }
        out.append("\"}")
    }

    // MARK: Variables

    private func variables(
        of prompt: CompiledPrompt, _ members: BodyMembers, _ body: UnsafeBufferPointer<UInt8>
    ) throws(ChatRefusal) -> [CompiledPrompt.Variable.Rendered] {
        guard !prompt.variables.isEmpty else { return [] }
        var found: [CompiledPrompt.Variable.Rendered?] = Array(repeating: nil, count: prompt.variables.count)
        for name: StaticString in ["variables", "metadata"] {
            guard let place = members.value(named: name), unsafe body[place.lowerBound] == 0x7B else { continue }
            try unsafe collect(prompt, in: place, body, &found)
        }
        var rendered: [CompiledPrompt.Variable.Rendered] = []
        for (index, variable) in prompt.variables.enumerated() {
            guard let value = found[index] ?? variable.standard.map({ .standard($0) }) else {
                throw .missingVariable(variable.label, expected: variable.expectation)
            }
            rendered.append(value)
        }
        return rendered
    }

    /// Takes those that are not found yet. Null is as good as nothing.
    private func collect(
        _ prompt: CompiledPrompt, in place: Range<Int>, _ body: UnsafeBufferPointer<UInt8>,
        _ found: inout [CompiledPrompt.Variable.Rendered?]
    ) throws(ChatRefusal) {
        let object = unsafe body.part(place)
        var taken = found
        defer { found = taken }
        try unsafe BodyMembers.read(object) { members throws(ChatRefusal) in
            for (index, variable) in prompt.variables.enumerated() where taken[index] == nil {
                guard let value = members.value(named: variable.name), !members.holds(value, "null") else { continue }
                guard case .raw(let range)? = unsafe variable.rendered(value, in: members, object) else {
                    throw .wrongVariable(variable.label, expected: variable.expectation)
                }
                taken[index] = .raw(place.lowerBound + range.lowerBound..<place.lowerBound + range.upperBound)
            }
        }
    }
}
