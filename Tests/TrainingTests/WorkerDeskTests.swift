import Glibc
import RPC
import TestFolders
import Testing
import Worker

@testable import Training

/// Where Workers of other machines come in.
@Suite struct WorkerDeskTests {
    private let folder = TemporaryFolder()
    private let key = RankKey(job: "job", attempt: 1, run: 2, slot: 3, life: 0)

    private func desk(_ authority: WorkerAuthority) async throws -> WorkerDesk {
        let desk = WorkerDesk(
            door: .init(address: "127.0.0.1:0", identity: try authority.server(), portFile: "\(folder.path)/port")
        ) { _, _ in }
        try await desk.expect(key, token: "right", world: 4)
        return desk
    }

    /// What a Worker is told that registers as this slot with this token.
    private func answer(_ desk: WorkerDesk, as identity: RPCIdentity?, token: String, slot: Int32 = 3) async throws -> (
        welcome: Welcome?, status: RPCStatus
    ) {
        let channel = try RPCChannel(to: await desk.address, as: identity)
        let call = channel.call(Order.method, metadata: [("authorization", "Bearer \(token)")], deadline: .seconds(60))
        var (report, register) = (Report(), Register())
        (register.job, register.attempt, register.slot, register.life) = ("job", 2, slot, 0)
        report.register = register
        _ = await call.send(report.bytes)
        let order = await call.receive().flatMap { Order(bytes: $0) }
        call.cancel()
        return (order?.welcome, await call.status())
    }

    @Test func `a Worker needs a certificate of this daemon, and the token of its own rank`() async throws {
        let authority = try WorkerAuthority(in: "\(folder.path)/workers")
        let stranger = try WorkerAuthority(in: "\(folder.path)/elsewhere")
        let desk = try await desk(authority)
        let worker = try authority.worker(named: "rank 3 of job")
        #expect(try await answer(desk, as: worker, token: "right").welcome?.world == 4)
        #expect(try await answer(desk, as: worker, token: "wrong").status.code == .unauthenticated)
        #expect(try await answer(desk, as: worker, token: "right", slot: 2).status.code == .permissionDenied)
        #expect(try await answer(desk, as: stranger.worker(named: "rank 3 of job"), token: "right").welcome == nil)
        #expect(try await answer(desk, as: nil, token: "right").welcome == nil)
        await desk.stop()
    }

    @Test func `the next life of the daemon has the same authority and the same port`() async throws {
        let place = "\(folder.path)/workers"
        let first = try WorkerAuthority(in: place)
        for name in ["authority.pem", "authority.key"] {
            var found = stat()
            #expect(unsafe stat("\(place)/\(name)", &found) == 0 && found.st_mode & 0o077 == 0, "\(name) is this user's alone")
        }
        let desk = try await desk(first)
        let address = await desk.address
        await desk.stop()
        let second = try WorkerAuthority(in: place)
        #expect(second.installation == first.installation)
        let next = try await self.desk(second)
        #expect(await next.address == address)
        #expect(try await answer(next, as: first.worker(named: "rank 3 of job"), token: "right").welcome?.world == 4)
        await next.stop()
    }
}
