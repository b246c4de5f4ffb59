import Testing

@testable import Configuration

@Suite("jobs.yml with random damage")
struct JobsFileFuzzTests {
    /// SplitMix64: the same damage in every run.
    struct SeededGenerator: RandomNumberGenerator {
        var state: UInt64
        mutating func next() -> UInt64 {
            state &+= 0x9E37_79B9_7F4A_7C15
            var mixed = state
            mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
            mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
            return mixed ^ (mixed >> 31)
        }
    }

    static let sample = Array(
        """
        version: 1
        generation: 7
        defaults: { time_zone: UTC, timeout: 30s, overlap: skip }
        jobs:
          - name: collect  # often
            schedule: "@every 10s"
            sql: select monitoring.collect_database_metrics()
            start_deadline: 5s
            history: failures
          - name: "nightly"
            schedule: '30 2 * * *'
            enabled: true
            description: >
              Für alle Fälle,
              täglich.
            mode: procedure
            sql: |-
              call monitoring.maintain_partitions()
        """.utf8)

    /// Bytes that mean something to YAML, and some that mean nothing at all.
    static let spice = Array("&*!|>'\"%@`#,[]{}:-? \n\t~0\0\\".utf8) + [0xC3, 0xFF, 0x80, 0xEF, 0xBB, 0xBF, 0xE2]

    @Test("is decoded or refused with faults that name the file, and nothing else happens", arguments: 1...8)
    func survives(seed: UInt64) {
        var random = SeededGenerator(state: seed)
        var decoded = 0
        for _ in 0..<1_500 {
            let bytes = Self.damaged(using: &random)
            do throws(ConfigurationError) {
                let file = try JobsFile.decode(bytes, path: "jobs.yml", modifiedAt: 0)
                #expect(file.json.hasPrefix("["))
                decoded += 1
            } catch {
                #expect(!error.faults.isEmpty)
                #expect(error.faults.allSatisfy { $0.description.hasPrefix("jobs.yml:") && $0.mark != nil })
                #expect(error.faults.allSatisfy { !$0.description.utf8.contains { $0 < 32 } })
            }
        }
        #expect((1..<1_500).contains(decoded))
    }

    private static func damaged(using random: inout SeededGenerator) -> [UInt8] {
        var bytes = sample
        for _ in 0..<Int.random(in: 1...6, using: &random) {
            let place = Int.random(in: 0..<bytes.count, using: &random)
            let length = Int.random(in: 1...min(12, bytes.count - place), using: &random)
            switch Int.random(in: 0..<5, using: &random) {
            case 0: bytes[place] = UInt8.random(in: 0...255, using: &random)
            case 1: bytes.insert(spice[Int.random(in: 0..<spice.count, using: &random)], at: place)
            case 2 where bytes.count > 24: bytes.removeSubrange(place..<(place + length))
            case 3:
                bytes.insert(
                    contentsOf: bytes[place..<(place + length)], at: Int.random(in: 0..<bytes.count, using: &random))
            default: bytes.swapAt(place, Int.random(in: 0..<bytes.count, using: &random))
            }
        }
        return bytes
    }
}
