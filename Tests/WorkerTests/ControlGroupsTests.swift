import Glibc
import TestFolders
import Testing

@testable import Worker

/// Where a rank's limits can be set.
@Suite struct ControlGroupsTests {
    private let folder = TemporaryFolder()

    private func group(_ path: String, _ files: [String: String]) throws {
        let whole = "\(folder.path)/\(path)"
        var made = ""
        for part in whole.split(separator: "/") {
            made += "/\(part)"
            unsafe mkdir(made, 0o700)
        }
        for (name, text) in files { try PlainFile.write(Array(text.utf8), to: "\(whole)/\(name)") }
    }

    private func places(_ mounts: [String], _ memberships: String, for wanted: Set<ControlGroups.Controller> = [.memory, .cpu])
        -> [ControlGroups.Place]
    {
        ControlGroups.places(for: wanted, mounts: mounts.joined(separator: "\n"), memberships: memberships)
    }

    @Test func `version 2: the nearest group around this one whose groups are limited, as far as it is this user's`() throws {
        let given = ["cgroup.subtree_control": "cpuset cpu io memory pids\n", "cgroup.procs": ""]
        try group("two", given)
        try group("two/user.slice", given)
        try group("two/user.slice/scope", ["cgroup.subtree_control": "", "cgroup.procs": "1\n", "memory.max": "max\n"])
        let mounts = ["31 23 0:28 / \(folder.path)/two rw - cgroup2 cgroup2 rw,nsdelegate"]
        let found = places(mounts, "0::/user.slice/scope\n")
        #expect(found == [.init(version: 2, parent: "\(folder.path)/two/user.slice", controllers: [.memory, .cpu])])
        // Out of a group that has a limit nobody is taken.
        try group("two/user.slice/scope", ["memory.max": "1073741824\n"])
        #expect(places(mounts, "0::/user.slice/scope\n").isEmpty)
    }

    @Test func `version 1 gives what version 2 has not`() throws {
        try group("one/memory/mine", ["cgroup.procs": ""])
        try group("one/cpu", ["cgroup.procs": ""])
        try group("two", ["cgroup.subtree_control": "hugetlb", "cgroup.procs": ""])
        let mounts = [
            "31 23 0:28 / \(folder.path)/one rw - tmpfs tmpfs rw",
            "32 31 0:29 / \(folder.path)/one/cpu rw,relatime - cgroup cgroup rw,cpu,cpuacct",
            "35 31 0:32 /all \(folder.path)/one/memory rw,relatime shared:7 - cgroup cgroup rw,memory",
            "41 31 0:38 / \(folder.path)/two rw,relatime - cgroup2 cgroup2 rw",
        ]
        let found = places(mounts, "4:memory:/all/mine\n1:cpu,cpuacct:/\n0::/\n")
        #expect(
            Set(found.map(\.parent)) == ["\(folder.path)/one/cpu", "\(folder.path)/one/memory/mine"]
                && found.allSatisfy { $0.version == 1 && $0.controllers.count == 1 })
        #expect(places(mounts, "0::/\n").isEmpty, "it stands in none of them")
    }

    @Test func `where this user may make groups they are made with their limits, and are gone afterwards`() {
        let groups = ControlGroups(memoryMax: 64 << 20, cpusMax: 1, name: "test")
        for folder in groups.folders {
            var status = stat()
            #expect(unsafe stat(folder, &status) == 0)
        }
        #expect(!groups.wasOutOfMemory)
        groups.remove()
        for folder in groups.folders {
            var status = stat()
            #expect(unsafe stat(folder, &status) != 0, "\(folder)")
        }
        #expect(ControlGroups(memoryMax: 0, cpusMax: 0, name: "none").folders.isEmpty)
    }
}
