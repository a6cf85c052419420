import Faults
import Glibc
import SQL
import Synchronization
import TestFolders
import Testing

@testable import Ledger

/// What a process that is killed, or a disk that loses power, may leave behind.
@Suite struct CrashTests {
    /// Appends for ever from several tasks; each index is written to `acknowledged` only after its append came back.
    static func appendUntilKilled(_ directory: String, after milliseconds: UInt32) async throws {
        let ledger = try await LedgerWriter.open(directory: directory)
        let file = unsafe open(directory + "/acknowledged", O_WRONLY | O_CREAT | O_APPEND, 0o600)
        Thread.start {
            usleep(milliseconds * 1_000)
            kill(getpid(), SIGKILL)
        }
        try await withThrowingTaskGroup(of: Void.self) { group in
            for worker in 0..<8 {
                group.addTask {
                    let resource = ResourceID("worker", "\(worker)")
                    var head = try await ledger.reader.head(of: resource)
                    while true {
                        head = try await ledger.append(draft(worker), to: resource, after: head)
                        let line = Array("\(head.index)\n".utf8)
                        _ = unsafe line.withUnsafeBytes { unsafe write(file, $0.baseAddress, $0.count) }
                    }
                }
            }
            try await group.waitForAll()
        }
    }

    @Test func `a process killed while it appends loses no entry that it acknowledged, and its tree verifies`() async throws {
        let folder = Folder()
        var random = Xorshift(seed: 20_261_121)
        var acknowledged = 0
        for life in 0..<8 {
            let (directory, milliseconds) = (folder.path, UInt32.random(in: 60...400, using: &random))
            await #expect(processExitsWith: .signal(SIGKILL)) {
                [directory = directory as String, milliseconds = milliseconds as UInt32] in
                try await CrashTests.appendUntilKilled(directory, after: milliseconds)
            }
            let indexes = String(decoding: Folder.bytes(of: folder.path + "/acknowledged"), as: UTF8.self)
                .split(separator: "\n").compactMap { Int64($0) }
            #expect(Set(indexes).count == indexes.count)
            let key = try LedgerAudit.key(nil, for: folder.path, home: nil)
            let verdict = try await LedgerAudit.verify(path: folder.path, key: key)
            #expect(verdict.isGood, "life \(life): \(verdict)")
            #expect(verdict.entries > indexes.max() ?? -1, "life \(life)")
            acknowledged = indexes.count
        }
        // However slow the disk is: some were acknowledged, and so something was shown.
        #expect(acknowledged > 8, "only \(acknowledged) appends were acknowledged: nothing was shown")
    }

    @Test func `after a power cut in the middle of a write every acknowledged entry is there`() async throws {
        let folder = Folder()
        let ledger = try await LedgerWriter.open(directory: folder.path)
        let (database, log) = (folder.path + "/ledger.db", folder.path + "/ledger.db-wal")
        // Nothing is folded back into the file meanwhile: at each moment the file and a prefix of the log are the disk.
        _ = try await ledger.database.write { (session) throws(Fault) in try session.rows("PRAGMA wal_autocheckpoint = 0") }
        var durable: [(entries: Int64, logBytes: Int)] = []
        for number in 0..<30 {
            try await ledger.record(number)
            durable.append((Int64(number + 1), Folder.bytes(of: log).count))
        }
        let (file, whole) = (Folder.bytes(of: database), Folder.bytes(of: log))
        var random = Xorshift(seed: 7)
        for cut in 0..<60 {
            let (promised, least) = durable[Int.random(in: 0..<durable.count, using: &random)]
            let next = durable.first { $0.logBytes > least }?.logBytes ?? least
            // What was synchronised is whole; what came after it is there in part, or garbled.
            var torn = Array(whole.prefix(Int.random(in: least...next, using: &random)))
            if cut % 3 == 1 {
                for index in torn.indices.dropFirst(least) { torn[index] = UInt8.random(in: 0...255, using: &random) }
            }
            if cut % 3 == 2 { for index in torn.indices.dropFirst(least).prefix(4_096) { torn[index] = 0 } }
            let copy = Folder()
            Folder.write(file, to: copy.path + "/ledger.db")
            Folder.write(torn, to: copy.path + "/ledger.db-wal")
            Folder.write(Folder.bytes(of: folder.path + "/ledger.key"), to: copy.path + "/ledger.key")
            let survivor = try await LedgerWriter.open(directory: copy.path)
            let count = try await survivor.reader.count()
            #expect(count >= promised && count <= promised + 1, "cut \(cut)")
            try await survivor.record(99)
            await survivor.close()
            let verdict = try await LedgerAudit.verify(path: copy.path, key: .demanded(ledger.verifierKey))
            #expect(verdict.isGood && verdict.entries == count + 1, "cut \(cut): \(verdict)")
        }
        await ledger.close()
    }

    @Test func `a disk that takes only part of a write is refused upon, and the ledger goes on where it was`() async throws {
        let folder = Folder()
        let directory = folder.path
        // `_exit`, as the program does: the closed database's thread may still be ending when exit's handlers take OpenSSL down.
        await #expect(processExitsWith: .success) { [directory = directory as String] in
            let ledger = try await LedgerWriter.open(directory: directory)
            for number in 0..<5 { try await ledger.record(number) }
            // From here on no file of this process grows beyond what the log has now, give or take a torn page.
            signal(SIGXFSZ, SIG_IGN)
            var status = stat()
            unsafe stat(directory + "/ledger.db-wal", &status)
            var limit = rlimit(rlim_cur: rlim_t(status.st_size + 6_000), rlim_max: rlim_t.max)
            unsafe setrlimit(__rlimit_resource_t(RLIMIT_FSIZE.rawValue), &limit)
            var acknowledged = 5
            for number in 0..<20 {
                guard (try? await ledger.record(number)) != nil else { break }
                acknowledged += 1
            }
            guard acknowledged < 25, await ledger.fault?.kind == .unavailable else { _exit(1) }
            limit.rlim_cur = rlim_t.max
            unsafe setrlimit(__rlimit_resource_t(RLIMIT_FSIZE.rawValue), &limit)
            for number in 0..<5 { try await ledger.record(number) }
            guard try await ledger.reader.count() == Int64(acknowledged + 5), await ledger.fault == nil else { _exit(2) }
            await ledger.close()
            guard try await LedgerAudit.verify(path: directory, key: .demanded(ledger.verifierKey)).isGood else { _exit(3) }
            _exit(0)
        }
    }
}

enum Thread {
    /// A thread that no executor waits for.
    static func start(_ body: @escaping @Sendable () -> Void) {
        final class Box: Sendable {
            let body: @Sendable () -> Void
            init(_ body: @escaping @Sendable () -> Void) { self.body = body }
        }
        var thread = pthread_t()
        let box = unsafe Unmanaged.passRetained(Box(body)).toOpaque()
        unsafe pthread_create(
            &thread, nil,
            { raw in
                unsafe Unmanaged<Box>.fromOpaque(raw!).takeRetainedValue().body()
                return nil
            }, box)
        pthread_detach(thread)
    }
}
