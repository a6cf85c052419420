/// The declared commands as a tree of words: nouns hold verbs.
struct CommandTree: Sendable {
    /// One word of a path; the root's is empty.
    struct Node: Sendable {
        let path: [String]
        var summary = ""
        var command: Command?
        /// In the order of their declaration.
        var children: [Node] = []

        func child(_ word: String) -> Node? { children.first { $0.path.last == word } }

        /// Every node below, depth first, this one first.
        var all: [Node] { [self] + children.flatMap(\.all) }
    }

    private(set) var root = Node(path: [])

    init(_ commands: [Command], nouns: [(name: String, summary: String)]) {
        for noun in nouns { Self.insert([noun.name], into: &root) { $0.summary = noun.summary } }
        for command in commands {
            Self.insert(command.path[...], into: &root) { node in
                precondition(node.command == nil, "'\(command.path.joined(separator: " "))' is declared twice")
                node.command = command
                node.summary = command.summary
            }
        }
    }

    private static func insert(_ path: ArraySlice<String>, into node: inout Node, change: (inout Node) -> Void) {
        guard let word = path.first else { return change(&node) }
        let place = node.children.firstIndex { $0.path.last == word } ?? node.children.count
        if place == node.children.count { node.children.append(Node(path: node.path + [word])) }
        insert(path.dropFirst(), into: &node.children[place], change: change)
    }
}
