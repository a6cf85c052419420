import Glibc
import Training

/// The program that runs here: Workers are further processes of it.
enum ThisProgram {
    static var path: String {
        var buffer = [UInt8](repeating: 0, count: Int(PATH_MAX))
        let count = unsafe buffer.withUnsafeMutableBytes { raw in
            unsafe readlink("/proc/self/exe", raw.baseAddress!.assumingMemoryBound(to: CChar.self), raw.count)
        }
        return String(decoding: buffer.prefix(max(0, count)), as: UTF8.self)
    }

    static func training(in home: Home, on engine: EngineChoice) -> TrainingService.Settings {
        let program = variable("OPENCLAW_PROGRAM") ?? path
        let named = (python: variable("OPENCLAW_ADAPTER"), collectives: variable("OPENCLAW_COLLECTIVES"))
        var settings = TrainingService.Settings(
            directory: home.training, program: program, adapter: Adapter(program: program, named: named))
        settings.engine = engine
        return settings
    }

    private static func variable(_ name: String) -> String? {
        unsafe getenv(name).map { unsafe String(cString: $0) }.flatMap { $0.isEmpty ? nil : $0 }
    }
}
