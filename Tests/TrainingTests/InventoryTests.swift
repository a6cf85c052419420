import TestFolders
import Testing

@testable import Training

/// What drivers tell, from files and answers as they write them.
struct InventoryTests {
    private let folder = TemporaryFolder()

    private func write(_ text: String, to name: String) {
        let parent = name.split(separator: "/").dropLast().joined(separator: "/")
        try? PlainFiles.make("\(folder.path)/\(parent)")
        folder.write(text, to: name)
    }

    private func card(_ address: String, _ model: String) {
        write(
            "Model: \t\t \(model)\nIRQ:   \t\t 120\nGPU UUID: \t GPU-0\nBus Location: \t \(address)\n",
            to: "gpus/\(address)/information")
    }

    @Test func `NVIDIA GPUs are counted from the kernel's files, each model with its own numbers`() {
        card("0000:17:00.0", "NVIDIA H100 80GB HBM3")
        card("0000:65:00.0", "NVIDIA A100-SXM4-80GB")
        card("0000:ca:00.0", "NVIDIA H100 80GB HBM3")
        let devices = LocalInventory.nvidia(under: "\(folder.path)/gpus")
        #expect(devices.map(\.kind.model) == ["A100", "H100"] && devices.map(\.count) == [1, 2])
        #expect(devices.map(\.numbers) == [[1], [0, 2]])
        #expect(LocalInventory.nvidia(under: "\(folder.path)/nothing").isEmpty)
    }

    @Test func `nvidia-smi's answer is read with whatever it cannot say`() {
        let devices = NvidiaProbe.devices(
            in: """
                0, NVIDIA H100 80GB HBM3, 0
                1, NVIDIA H100 80GB HBM3, 7
                Unable to determine the device handle for GPU 0000:65:00.0: GPU is lost.  Reboot the system to recover this GPU
                3, NVIDIA GeForce RTX 4090, [N/A]
                4, [Unknown Error], [Unknown Error]

                """)
        #expect(devices.map(\.kind.model) == ["H100", "RTX"] && devices.map(\.numbers) == [[0], [3]])
        #expect(devices.flatMap(\.failed).map(\.name) == ["GPU 1", "0000:65:00.0", "GPU 4"])
        #expect(NvidiaProbe.devices(in: "No devices were found\n").isEmpty)
        #expect(NvidiaProbe.devices(in: "NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver.").isEmpty)
    }

    private func node(_ number: Int, simd: Int, device: Int, minor: Int, name: String) {
        write(
            "cpu_cores_count \(simd == 0 ? 64 : 0)\nsimd_count \(simd)\nvendor_id 4098\ndevice_id \(device)\ndrm_render_minor \(minor)\n",
            to: "nodes/\(number)/properties")
        write("\(name)\n", to: "nodes/\(number)/name")
    }

    @Test func `AMD GPUs are counted from the kernel's topology, by product, device or code name, and sick ones are left out`() {
        node(0, simd: 0, device: 0, minor: 0, name: "")
        node(1, simd: 1_216, device: 0x74A1, minor: 128, name: "ip discovery")
        node(2, simd: 1_216, device: 0x74A1, minor: 129, name: "ip discovery")
        node(10, simd: 416, device: 0x740F, minor: 130, name: "aldebaran")
        node(11, simd: 40, device: 1, minor: 131, name: "navi33")
        write("AMD Instinct MI300X OAM\n", to: "drm/renderD129/device/product_name")
        write("ue: 3\nce: 0\n", to: "drm/renderD129/device/ras/umc_err_count")
        write("ue: 0\nce: 12\n", to: "drm/renderD128/device/ras/umc_err_count")
        let devices = LocalInventory.amd(under: "\(folder.path)/nodes", graphics: "\(folder.path)/drm")
        #expect(devices.map(\.kind.model) == ["MI210", "MI300X", "navi33"] && devices.map(\.numbers) == [[2], [0], [3]])
        #expect(devices[1].failed == [.init(name: "GPU 1", why: "3 uncorrected memory errors")])
        #expect(devices.allSatisfy { $0.kind.resource == "amd.com/gpu" })
    }

    @Test func `any_of takes the first wish that this machine's devices satisfy`() {
        let nodes = [Node("n", devices: [.init(AcceleratorKind(resource: "amd.com/gpu", model: "MI300X"), count: 2)])]
        let demand = Demand(accelerators: [.init(.model("H100")), .init(.resource("amd.com/gpu"), count: 2)])
        guard case .placed(let placement) = place(Gang(ranks: 1...1, each: demand), on: Cluster(nodes)) else {
            Issue.record("two of them are free")
            return
        }
        #expect(placement.devices == 2)
    }
}
