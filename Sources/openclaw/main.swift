import Commands
import Glibc

let arguments = Swift.CommandLine.arguments
let code = await OpenClaw.run(Array(arguments.dropFirst()), as: arguments.first ?? "openclaw")
fflush(nil)
// Not `exit`: threads that end in this moment (a closed database's, gRPC's) would meet libraries that its handlers take down.
_exit(code)
