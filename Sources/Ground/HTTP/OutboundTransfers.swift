internal import CCurl
import Glibc
import Sockets
import Telemetry

/// The calls in flight on the outbound thread, and libcurl's view of them.
@safe struct OutboundTransfers: ~Copyable {
    /// What curl's callbacks get back: the transfer, and the memory that must outlive its handle.
    @safe private final class Running {
        let transfer: Transfer
        let easy: UnsafeMutableRawPointer
        var headers: UnsafeMutablePointer<curl_slist>?
        let startedAt = Reactor.monotonicNanoseconds()
        var streamDeadline: Int64 { startedAt + transfer.request.deadline.milliseconds * 1_000_000 }

        init?(_ transfer: Transfer) {
            guard let easy = unsafe curl_easy_init() else { return nil }
            unsafe (self.transfer, self.easy, self.headers) = (transfer, easy, nil)
        }
        deinit {
            unsafe curl_easy_cleanup(easy)
            unsafe curl_slist_free_all(headers)
        }
    }
    private let multi: UnsafeMutableRawPointer
    private var running: [ObjectIdentifier: Running] = [:]
    private static let runningMax = 1_024
    private static let pollMilliseconds: Int32 = 1_000

    init(multi: UnsafeMutableRawPointer) { unsafe self.multi = multi }

    /// Takes commands, moves every call on, and waits for the network or the next command.
    mutating func turn(_ commands: [OutboundLoop.Command]) {
        for command in commands {
            switch command {
            case .add(let transfer): add(transfer)
            case .cancel(let transfer): end(transfer, failure: "the call was cancelled")
            case .resume(let transfer):
                if let call = running[ObjectIdentifier(transfer)] { _ = unsafe curl_easy_pause(call.easy, CURLPAUSE_CONT) }
            }
        }
        var count: Int32 = 0
        _ = unsafe curl_multi_perform(multi, &count)
        finishDone()
        failLateStreams()
        _ = unsafe curl_multi_poll(multi, nil, 0, running.isEmpty ? 60_000 : Self.pollMilliseconds, nil)
    }

    /// Fails what is still in flight and frees everything.
    mutating func close() {
        for call in Array(running.values) { end(call.transfer, failure: "the caller is shutting down") }
        _ = unsafe curl_multi_cleanup(multi)
    }

    private mutating func add(_ transfer: Transfer) {
        guard running.count < Self.runningMax else {
            return transfer.finish(elapsed: .zero, failure: "\(Self.runningMax) calls are in flight already")
        }
        guard let call = Running(transfer) else { return transfer.finish(elapsed: .zero, failure: "out of memory") }
        configure(call)
        running[ObjectIdentifier(transfer)] = call
        let code = unsafe curl_multi_add_handle(multi, call.easy)
        if code != CURLM_OK { end(transfer, failure: unsafe String(cString: curl_multi_strerror(code))) }
    }

    private mutating func end(_ transfer: Transfer, failure: String?, elapsed: Duration = .zero) {
        guard let call = running.removeValue(forKey: ObjectIdentifier(transfer)) else { return }
        _ = unsafe curl_multi_remove_handle(multi, call.easy)
        transfer.finish(elapsed: elapsed, failure: failure)
    }

    private mutating func finishDone() {
        var left: Int32 = 0
        while let message = unsafe curl_multi_info_read(multi, &left) {
            guard unsafe message.pointee.msg == CURLMSG_DONE, let easy = unsafe message.pointee.easy_handle else { continue }
            let result = unsafe message.pointee.data.result
            guard let call = running.values.first(where: { unsafe $0.easy == easy }) else { continue }
            var microseconds = 0
            var sentAt = 0
            _ = unsafe claw_curl_microseconds(easy, CURLINFO_TOTAL_TIME_T, &microseconds)
            _ = unsafe claw_curl_microseconds(easy, CURLINFO_PRETRANSFER_TIME_T, &sentAt)
            if result == CURLE_OK && !call.transfer.hasHead { Self.readHead(call) }
            end(
                call.transfer, failure: result == CURLE_OK ? nil : unsafe String(cString: curl_easy_strerror(result)),
                elapsed: .microseconds(max(0, microseconds - sentAt)))
        }
    }

    private mutating func failLateStreams() {
        let now = Reactor.monotonicNanoseconds()
        for call in Array(running.values) where call.transfer.streams && !call.transfer.hasHead && now > call.streamDeadline {
            end(call.transfer, failure: "no answer began within \(call.transfer.request.deadline.milliseconds) ms")
        }
    }

    private static func readHead(_ call: Running) {
        var status = 0
        _ = unsafe claw_curl_status(call.easy, &status)
        if status >= 200 { call.transfer.receiveHead(status: status) }
    }

    private func configure(_ call: Running) {
        let request = call.transfer.request
        let easy = unsafe call.easy
        let milliseconds = Int(max(1, request.deadline.milliseconds))
        unsafe claw_curl_set_text(easy, CURLOPT_URL, request.url)
        unsafe claw_curl_set_text(easy, CURLOPT_PROTOCOLS_STR, "http,https")
        unsafe claw_curl_set_text(easy, CURLOPT_PROXY, "")
        unsafe claw_curl_set_text(easy, CURLOPT_USERAGENT, "openclaw")
        // The gateway's own TLS knows the same variable.
        let standard = unsafe getenv("SSL_CERT_FILE").map { unsafe String(cString: $0) }
        if let trusted = request.caFile ?? standard {
            unsafe claw_curl_set_text(easy, CURLOPT_CAINFO, trusted)
        }
        unsafe claw_curl_set_long(easy, CURLOPT_NOSIGNAL, 1)
        unsafe claw_curl_set_long(easy, CURLOPT_TCP_NODELAY, 1)
        unsafe claw_curl_set_long(easy, CURLOPT_HTTP_VERSION, Int(CURL_HTTP_VERSION_1_1))
        unsafe claw_curl_set_long(easy, CURLOPT_CONNECTTIMEOUT_MS, milliseconds)
        if !call.transfer.streams { unsafe claw_curl_set_long(easy, CURLOPT_TIMEOUT_MS, milliseconds) }
        if request.method == "HEAD" { unsafe claw_curl_set_long(easy, CURLOPT_NOBODY, 1) }
        unsafe claw_curl_set_text(easy, CURLOPT_CUSTOMREQUEST, request.method)
        if !request.body.isEmpty || ["POST", "PUT", "PATCH"].contains(request.method) {
            unsafe claw_curl_set_body(easy, request.body, request.body.count)
        }
        // libcurl would add these two of its own accord.
        unsafe call.headers = curl_slist_append(nil, "Expect:")
        if !request.headers.contains(where: { $0.0.lowercased() == "content-type" }) {
            unsafe call.headers = curl_slist_append(call.headers, "Content-Type:")
        }
        for (name, value) in request.headers {
            unsafe call.headers = curl_slist_append(call.headers, value.isEmpty ? "\(name);" : "\(name): \(value)")
        }
        unsafe claw_curl_set_pointer(easy, CURLOPT_HTTPHEADER, call.headers)
        let context = unsafe Unmanaged.passUnretained(call).toOpaque()
        unsafe claw_curl_set_pointer(easy, CURLOPT_HEADERDATA, context)
        unsafe claw_curl_set_pointer(easy, CURLOPT_WRITEDATA, context)
        unsafe claw_curl_set_callback(easy, CURLOPT_HEADERFUNCTION) { bytes, size, count, context in
            guard let context = unsafe context, let bytes = unsafe bytes else { return 0 }
            let call = unsafe Unmanaged<Running>.fromOpaque(context).takeUnretainedValue()
            let line = unsafe UnsafeRawBufferPointer(start: bytes, count: size * count)
            call.transfer.receiveHeader(unsafe String(decoding: line, as: UTF8.self))
            // The empty line ends a head; an interim one (1xx) is not the answer's.
            if line.count <= 2 { OutboundTransfers.readHead(call) }
            return size * count
        }
        unsafe claw_curl_set_callback(easy, CURLOPT_WRITEFUNCTION) { bytes, size, count, context in
            guard let context = unsafe context, let bytes = unsafe bytes else { return 0 }
            let call = unsafe Unmanaged<Running>.fromOpaque(context).takeUnretainedValue()
            let data = unsafe UnsafeRawBufferPointer(start: bytes, count: size * count)
            return switch call.transfer.receiveBody(unsafe [UInt8](data)) {
            case .all: size * count
            case .pause: Int(CURL_WRITEFUNC_PAUSE)
            case .abort: 0
            }
        }
    }
}
