import Glibc

/// What a screen takes up on the terminal it is drawn on.
enum Terminal {
    /// How wide it is now; 80 where nobody says.
    static var columns: Int {
        var size = winsize()
        guard unsafe ioctl(STDOUT_FILENO, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0 else { return 80 }
        return Int(size.ws_col)
    }

    /// Lines as a terminal counts them: one that is too long takes several.
    static func rows(of text: String, columns: Int) -> Int {
        text.split(separator: "\n", omittingEmptySubsequences: false)
            .reduce(0) { $0 + max(1, (Table.width(String($1)) + columns - 1) / columns) }
    }
}
