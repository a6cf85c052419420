/// What `Package.swift` declares: which target lives where, and what it may import.
struct ImportMap {
    struct Target: Equatable {
        let name: String
        let folder: String
        let dependencies: [String]
    }

    let targets: [Target]
    let doors: Set<String>

    /// What comes with the toolchain. Full Foundation is not among it: it costs 60 MB.
    private static let everywhere: Set<String> = ["Swift", "Glibc", "Synchronization"]
    private static let inTests: Set<String> = ["Testing", "FoundationEssentials"]
    private static let inSome: [String: Set<String>] = ["FoundationEssentials": ["JSON", "Commands"]]

    init(package text: String) {
        let calls = ImportMap.calls(in: text)
        doors = Set(
            calls.filter { $0.function == "door" }.map { $0.first } + calls.filter { $0.path.hasPrefix("Sources/C/") }.map(\.first))
        targets = calls.compactMap { call in
            switch call.function {
            case "ground": Target(name: call.first, folder: "Sources/Ground/\(call.first)/", dependencies: call.rest)
            case "module": Target(name: call.first, folder: "Sources/\(call.first)/", dependencies: call.rest)
            case "tests": Target(name: call.first, folder: "Tests/\(call.first)/", dependencies: call.rest)
            // A door in C++ is a target too, without Swift files.
            case "executableTarget",
                "target" where !call.path.hasPrefix("Sources/C/"):
                Target(
                    name: call.first, folder: (call.path.isEmpty ? "Sources/\(call.first)" : call.path) + "/",
                    dependencies: call.rest)
            default: nil
            }
        }
    }

    func target(of path: String) -> Target? { targets.first { path.hasPrefix($0.folder) } }

    /// What the Swift files import that the map does not let them.
    func complaints(about files: [House.File]) -> [String] {
        files.flatMap { file -> [String] in
            guard file.path.hasSuffix(".swift"), ["Sources/", "Tests/", "Benchmarks/"].contains(where: file.path.hasPrefix) else {
                return []
            }
            guard let target = target(of: file.path) else { return ["\(file.path) belongs to no target of Package.swift"] }
            return ImportMap.imports(in: file).compactMap { imported in
                complaint(about: imported, in: target).map { "\(file.path):\(imported.line) \($0)" }
            }
        }
    }

    private func complaint(about imported: Import, in target: Target) -> String? {
        let name = imported.module
        if doors.contains(name) {
            if !target.dependencies.contains(name) {
                return "comes through the door \(name), which is not declared for \(target.name)"
            }
            return imported.isPublic ? "shows \(name) to those who import \(target.name): write `internal import`" : nil
        }
        if ImportMap.everywhere.contains(name) || target.dependencies.contains(name) { return nil }
        if target.folder.hasPrefix("Tests/"), ImportMap.inTests.contains(name) { return nil }
        if ImportMap.inSome[name]?.contains(target.name) == true { return nil }
        return "imports \(name), which is not declared for \(target.name)"
    }

    /// Dependencies that a target of Sources declares and no file of it imports.
    func unused(in files: [House.File]) -> [String] {
        targets.filter { $0.folder.hasPrefix("Sources/") }.flatMap { target in
            let imported = Set(
                files.filter { $0.path.hasPrefix(target.folder) && $0.path.hasSuffix(".swift") }.flatMap {
                    ImportMap.imports(in: $0)
                }.map(\.module))
            return target.dependencies.filter { !imported.contains($0) }.map {
                "\(target.name) declares \($0) and never imports it"
            }
        }
    }

    // MARK: reading

    struct Import: Equatable {
        let module: String
        let line: Int
        let isPublic: Bool
    }

    static func imports(in file: House.File) -> [Import] {
        var isText = false  // between the quotes of a text of several lines, such as a script
        return file.lines.enumerated().compactMap { index, line in
            let quotes = line.ranges(of: "\"\"\"").count
            if !quotes.isMultiple(of: 2) { isText.toggle() }
            if isText { return nil }
            let words = line.split(whereSeparator: { $0 == " " || $0 == "\t" })
            guard let place = words.firstIndex(of: "import"), words.indices.contains(place + 1),
                words[..<place].allSatisfy({
                    $0.hasPrefix("@") || ["public", "internal", "package", "private", "fileprivate"].contains($0)
                })
            else { return nil }
            let kinds: Set<Substring> = ["struct", "class", "enum", "protocol", "func", "var", "let", "typealias"]
            let named = kinds.contains(words[place + 1]) && words.count > place + 2 ? words[place + 2] : words[place + 1]
            return Import(
                module: String(named.prefix { $0 != "." && $0 != ";" }), line: index + 1,
                isPublic: words[..<place].contains("public"))
        }
    }

    private struct Call {
        let function: String
        let first: String
        let rest: [String]
        let path: String
    }

    /// Calls such as `ground("JSON", ["CJSON", "Faults"])` and `.target(name: "CJSON", path: "Sources/C/CJSON")`.
    private static func calls(in text: String) -> [Call] {
        let functions = ["door", "ground", "module", "tests", "target", "executableTarget"]
        return functions.flatMap { function in
            text.ranges(of: function + "(").compactMap { range -> Call? in
                // A declaration of the function itself is no call, nor is the end of a longer name.
                if let before = text[..<range.lowerBound].last, before.isLetter || text[..<range.lowerBound].hasSuffix("func ") {
                    return nil
                }
                let arguments = arguments(from: text[range.upperBound...])
                let path = arguments.range(of: "path: \"").map { arguments[$0.upperBound...].prefix { $0 != "\"" } } ?? ""
                let list = arguments.firstIndex(of: "[").map { arguments[$0...].prefix { $0 != "]" } } ?? ""
                guard let first = strings(in: arguments).first, !first.contains("\\") else { return nil }
                return Call(function: function, first: first, rest: strings(in: list), path: String(path))
            }
        }
    }

    private static func arguments(from text: Substring) -> Substring {
        var depth = 1
        let end = text.firstIndex { character in
            depth += character == "(" ? 1 : character == ")" ? -1 : 0
            return depth == 0
        }
        return text[..<(end ?? text.endIndex)]
    }

    private static func strings(in text: Substring) -> [String] {
        text.split(separator: "\"", omittingEmptySubsequences: false).enumerated().filter { $0.offset % 2 == 1 }.map {
            String($0.element)
        }
    }
}

extension Substring {
    fileprivate func range(of part: String) -> Range<Index>? { ranges(of: part).first }
}
