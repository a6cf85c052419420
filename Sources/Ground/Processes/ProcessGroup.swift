import Glibc

/// What the processes of one group use, and those that carry a mark in their environment.
public enum ProcessGroup {
    public struct Usage: Equatable, Sendable {
        /// User and system time of those that live, in milliseconds.
        public var cpuMilliseconds: Int64 = 0
        /// Resident bytes; what several share counts for each.
        public var memoryBytes: Int64 = 0
        public var processes = 0
    }

    /// Of the group and of every descendant of `processID`, whatever group that is in.
    public static func usage(of processID: Int32) -> Usage {
        let all = ProcessTable.all()
        var family: Set<Int32> = [processID]
        var before = 0
        while family.count != before {
            before = family.count
            for entry in all where family.contains(entry.parent) || entry.group == processID { family.insert(entry.processID) }
        }
        var usage = Usage()
        for entry in all where family.contains(entry.processID) && !entry.isZombie {
            usage.cpuMilliseconds += entry.cpuTicks * 1_000 / Int64(sysconf(Int32(_SC_CLK_TCK)))
            usage.memoryBytes += entry.residentPages * Int64(sysconf(Int32(_SC_PAGESIZE)))
            usage.processes += 1
        }
        return usage
    }

    /// Kills this user's processes whose environment has this line, until there are none; gives up after 5 s. The one place for
    /// descendants that left their group and lost their parents.
    public static func sweep(marked line: String) async {
        let deadline = ContinuousClock.now + .seconds(5)
        while ContinuousClock.now < deadline {
            let found = marked(line)
            if found.isEmpty { return }
            for processID in found { kill(processID, SIGKILL) }
            try? await Task.sleep(for: .milliseconds(10))
        }
    }

    /// Living processes of this user, this one left out, that were started with `NAME=value` in their environment.
    public static func marked(_ line: String) -> [Int32] {
        let wanted = Array(line.utf8)
        return ProcessTable.all().filter { !$0.isZombie && $0.processID != getpid() }.map(\.processID).filter { processID in
            ProcessTable.bytes(of: "/proc/\(processID)/environ", limit: 1 << 20).split(separator: 0).contains {
                $0.elementsEqual(wanted)
            }
        }
    }
}

extension ProcessGroup {
    /// First processes of their groups whose arguments after the program are these.
    public static func running(arguments: [String]) -> [(processID: Int32, startTime: UInt64)] {
        let wanted = arguments.map { Array($0.utf8) }
        return ProcessTable.all().filter { entry in
            guard !entry.isZombie, entry.group == entry.processID else { return false }
            let line = ProcessTable.bytes(of: "/proc/\(entry.processID)/cmdline", limit: 64 << 10)
            return line.split(separator: 0, omittingEmptySubsequences: false).dropFirst().dropLast().map { Array($0) } == wanted
        }.map { ($0.processID, $0.startTime) }
    }
}
