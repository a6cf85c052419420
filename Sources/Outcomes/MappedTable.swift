import Glibc

/// A table of zeros of a fixed size that takes memory only where it is written: a private mapping, or a file whose pages the
/// kernel may take back. Confined to its owner.
@safe final class MappedTable<Element: BitwiseCopyable & Sendable> {
    let count: Int
    private let base: UnsafeMutablePointer<Element>

    /// In memory only. Nil when the system has no memory left.
    init?(count: Int) {
        guard let base = unsafe MappedTable.map(count, file: -1, flags: MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE) else {
            return nil
        }
        self.count = count
        unsafe self.base = base
    }

    /// In a file, made or grown to its size with all blocks reserved: a full disk is seen here, not as a fault on a write to
    /// memory. Nil when that does not work.
    init?(count: Int, path: String) {
        let file = unsafe open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        guard file >= 0 else { return nil }
        defer { close(file) }
        guard posix_fallocate(file, 0, count * MemoryLayout<Element>.stride) == 0,
            let base = unsafe MappedTable.map(count, file: file, flags: MAP_SHARED)
        else { return nil }
        self.count = count
        unsafe self.base = base
    }

    deinit { _ = unsafe munmap(base, count * MemoryLayout<Element>.stride) }

    @inline(__always)
    subscript(_ index: Int) -> Element {
        get {
            precondition(index >= 0 && index < count, "inside the table")
            return unsafe base[index]
        }
        set {
            precondition(index >= 0 && index < count, "inside the table")
            unsafe base[index] = newValue
        }
    }

    /// Everything written so far is in the file when this returns.
    func sync() -> Bool { unsafe msync(base, count * MemoryLayout<Element>.stride, MS_SYNC) == 0 }

    private static func map(_ count: Int, file: Int32, flags: Int32) -> UnsafeMutablePointer<Element>? {
        let raw = unsafe mmap(nil, count * MemoryLayout<Element>.stride, PROT_READ | PROT_WRITE, flags, file, 0)
        guard unsafe raw != MAP_FAILED else { return nil }
        return unsafe raw?.bindMemory(to: Element.self, capacity: count)
    }
}
