import Commands
import Glibc

let arguments = Swift.CommandLine.arguments
exit(await OpenClaw.run(Array(arguments.dropFirst()), as: arguments.first ?? "openclaw"))
