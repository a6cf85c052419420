import Commands
import Glibc

exit(await OpenClaw.run(Array(Swift.CommandLine.arguments.dropFirst())))
