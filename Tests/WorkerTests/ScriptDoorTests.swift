import Glibc
import JSON
import Synchronization
import TestFolders
import Testing

@testable import Worker

/// What a script says to its Worker, to its last word.
@Suite struct ScriptDoorTests {
    private static func connect(to path: String) -> Int32 {
        let descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        unsafe withUnsafeMutableBytes(of: &address.sun_path) { unsafe $0.copyBytes(from: Array(path.utf8)) }
        let code = unsafe withUnsafePointer(to: &address) { pointer in
            unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                unsafe Glibc.connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        return code == 0 ? descriptor : -1
    }

    @Test func `all that scripts said before they ended is heard before the door is quiet`() async throws {
        let folder = TemporaryFolder()
        let heard = Mutex<[Int64]>([])
        let door = try ScriptDoor(path: "\(folder.path)/door") { message, _ in
            usleep(200)  // a Worker that is slow to listen
            if let number = message["number"]?.integerValue { heard.withLock { $0.append(number) } }
        }
        // More than one, and all gone before anything was heard: some still wait to be let in.
        for script in 0..<8 as Range<Int64> {
            let descriptor = Self.connect(to: door.path)
            #expect(descriptor >= 0)
            var text = ""
            for number in 0..<20 as Range<Int64> { text += "{\"type\": \"log\", \"number\": \(script * 20 + number)}\n" }
            let bytes = Array(text.utf8)
            let sent = unsafe bytes.withUnsafeBytes { unsafe send(descriptor, $0.baseAddress, $0.count, 0) }
            #expect(sent == bytes.count)
            close(descriptor)
        }
        door.close()
        while !door.isQuiet { try await Task.sleep(for: .milliseconds(1)) }
        #expect(heard.withLock(\.self).sorted() == Array(0..<160))
        #expect(Self.connect(to: door.path) < 0, "nobody is let in any more")
    }

    @Test func `what a rank wrote last has no need of an end of line`() {
        let folder = TemporaryFolder()
        let log = OutputLog(path: "\(folder.path)/rank.log", rank: 3)
        log.append(Array("first\nlast".utf8)[...])
        #expect(log.lastLines == ["first"] && !log.hasEnded)
        log.end()
        #expect(log.lastLines == ["first", "last"] && log.hasEnded)
        #expect(folder.text(of: "rank.log").hasSuffix(" 3 last\n"))
    }
}
