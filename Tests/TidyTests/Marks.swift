/// Marks that nothing finished carries, and names that say nothing.
enum Marks {
    static let linesMax = 400

    // Put together here, so that these lines are not found themselves.
    private static let unfinishedWords: Set<Substring> = ["TO" + "DO", "FIX" + "ME", "XX" + "X", "HA" + "CK"]
    private static let unfinishedTexts = ["Failure(\"contract\"" + ")", "not " + "implemented", "fatal" + "Error("]
    private static let machineFolders = ["/" + "work/", "/" + "home/", "/" + "root/", "/" + "Users/"]
    private static let typeKinds: Set<Substring> = ["struct", "class", "enum", "actor", "protocol", "typealias"]
    private static let emptyNames: Set<String> = ["Util", "Utils", "Utility", "Utilities", "Core", "Manager"]

    static func unfinished(in file: House.File) -> [String] {
        complaints(in: file) { line in
            if let word = line.words.first(where: unfinishedWords.contains) { return "is marked \(word)" }
            return unfinishedTexts.first { line.has($0) }.map { "is unfinished: \($0)" }
        }
    }

    /// Paths of one machine, where a letter follows the folder.
    static func machinePaths(in file: House.File) -> [String] {
        complaints(in: file) { line in
            for folder in machineFolders where line.has(folder) {
                for range in line.ranges(of: folder) {
                    let before = line[..<range.lowerBound].last
                    let isWhole = before.map { !$0.isLetter && !$0.isNumber && !"}._-".contains($0) } ?? true
                    if isWhole, line[range.upperBound...].first?.isLetter == true { return "names a path of one machine" }
                }
            }
            return nil
        }
    }

    static func length(of file: House.File) -> String? {
        let measured = [".swift", ".py", ".sh", ".h", ".c", ".cpp"].contains { file.path.hasSuffix($0) }
        let count = file.lines.count - (file.text.hasSuffix("\n") ? 1 : 0)
        return measured && count > linesMax ? "\(file.path) has \(count) lines, and \(linesMax) are enough" : nil
    }

    /// Types and files with a part in their name that says nothing, and types named like their module.
    static func names(in file: House.File, module: String?) -> [String] {
        guard file.path.hasSuffix(".swift") else { return [] }
        let fileName = String(file.name.prefix { $0 != "." && $0 != "+" })
        var complaints = says(nothing: fileName) ? ["\(file.path) has a name that says nothing"] : []
        complaints += self.complaints(in: file) { line in
            let words = Array(line.words.drop { DeadFiles.modifiers.contains($0) && $0 != "class" })
            guard words.count > 1, typeKinds.contains(words[0]) else { return nil }
            let name = String(words[1])
            if says(nothing: name) { return "names a type \(name), which says nothing" }
            return name == module && line.first?.isWhitespace == false ? "names a type like its module \(name)" : nil
        }
        return complaints
    }

    /// Whether one of the words of a CamelCase name is empty of meaning.
    private static func says(nothing name: String) -> Bool {
        var words: [String] = []
        for character in name {
            if character.isUppercase || words.isEmpty { words.append("") }
            words[words.count - 1].append(character)
        }
        return words.contains { emptyNames.contains($0) }
    }

    private static func complaints(in file: House.File, _ look: (Substring) -> String?) -> [String] {
        file.lines.enumerated().compactMap { index, line in look(line).map { "\(file.path):\(index + 1) \($0)" } }
    }
}
