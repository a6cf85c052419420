import Faults
import Testing
import Training

struct JobTraceTests {
    static func read(_ text: String, vc: String? = nil) throws(Fault) -> JobTrace {
        try JobTrace(csv: Array(text.utf8), vc: vc, file: "jobs.csv")
    }

    @Test func `jobs come in order of submission, from the first one's moment on`() throws {
        let trace = try Self.read("vc,gpus,job_id,duration_s,submit_s\r\na,2,x,10,70\r\nb,1,y,5,60\r\na,1,z,7,70\r\n")
        #expect(trace.jobs.map(\.id) == ["y", "x", "z"])
        #expect(trace.jobs.map(\.submitted) == [0, 10, 10])
        #expect(try Self.read("job_id,vc,submit_s,duration_s,gpus\nx,a,70,1,1\ny,b,60,1,1\n", vc: "a").jobs.map(\.submitted) == [0])
    }

    @Test(arguments: [
        ("job,submit_s\n", "line 1"), ("job_id,submit_s,duration_s,gpus\nx,1,2\n", "line 2, gpus is nothing"),
        ("job_id,submit_s,duration_s,gpus\nx,1,2,0\n", "0 GPUs"),
        ("job_id,submit_s,duration_s,gpus\n\nx,-1,2,1\n", "line 3, submit_s is '-1'"),
        ("job_id,submit_s,duration_s,gpus\nx,1,2,1\ny,1,2,1\nx,5,2,1\n", "line 4, job_id 'x' is that of line 2 as well"),
        ("", "nothing after its heading"), ("job_id,submit_s,duration_s,gpus\n", "nothing after its heading"),
    ])
    func `a line that says no job is named`(text: String, why: String) {
        let fault = #expect(throws: Fault.self) { try Self.read(text) }
        #expect(fault?.why.contains(why) == true, "\(fault.map { $0.what + $0.why } ?? "")")
    }

    @Test func `an unknown virtual cluster is answered with those there are`() {
        let fault = #expect(throws: Fault.self) {
            try Self.read("job_id,vc,submit_s,duration_s,gpus\nx,a,1,1,1\ny,b,1,1,1\n", vc: "c")
        }
        #expect(fault?.why == "Its virtual clusters are a, b.")
    }

    @Test func `a job that the nodes can never hold is refused, and the others run`() throws {
        let trace = try Self.read("job_id,submit_s,duration_s,gpus\nbig,0,10,9\nsmall,0,10,8\n")
        var replay = TraceReplay(trace, nodes: 1, gpusPerNode: 8, policy: .fifo, spread: .consolidate)
        replay.run()
        #expect(replay.refused.map(\.id) == ["big"])
        #expect(replay.runs.map(\.id) == ["small"])
    }

    @Test func `a job of no length ends when it starts`() throws {
        let trace = try Self.read("job_id,submit_s,duration_s,gpus\na,0,0,1\nb,0,5,1\n")
        for policy in QueuePolicy.all {
            var replay = TraceReplay(trace, nodes: 1, gpusPerNode: 1, policy: policy, spread: .pack)
            replay.run()
            #expect(replay.runs.map(\.end) == [0, 5], "\(policy.name)")
        }
    }
}
