import Runtime
import TestSupport
import Testing

@testable import Exporter

@Suite struct SingleFlightTests {
    @Test func fiftyAskersShareOneFlight() async throws {
        let flights = Lock(0)
        let flight = SingleFlight<Int>(lifetime: .seconds(60)) { flights.withLock { $0 += 1 } }
        let answers = try await withThrowingTaskGroup(of: Int?.self) { group in
            for _ in 0..<50 {
                group.addTask {
                    try await onThread {
                        guard case .value(let value, _) = flight.answer(waitingUpTo: .seconds(10)) else { return nil }
                        return value
                    }
                }
            }
            group.addTask {
                while flights.withLock({ $0 }) == 0 { await Task.yield() }
                flight.finish(7)
                return 7
            }
            return try await group.reduce(into: []) { $0.append($1) }
        }
        #expect(answers == Array(repeating: 7, count: 51))
        #expect(flights.withLock { $0 } == 1)
    }

    @Test func aValueIsKeptForItsLifetimeAndAFailureIsNot() async throws {
        let box = Lock<SingleFlight<Int>?>(nil)
        let flights = Lock(0)
        let time = Lock(Monotonic.now())
        let flight = SingleFlight<Int>(lifetime: .milliseconds(300), now: { time.withLock { $0 } }) {
            let count = flights.withLock { count in
                count += 1
                return count
            }
            let flight = box.withLock { $0 }
            if count == 1 { flight?.fail("no database") } else { flight?.finish(count) }
        }
        box.withLock { $0 = flight }
        defer { box.withLock { $0 = nil } }
        #expect(describe(flight.answer(waitingUpTo: .seconds(20))) == "failure no database")
        #expect(describe(flight.answer(waitingUpTo: .seconds(20))) == "value 2 false")
        #expect(describe(flight.answer(waitingUpTo: .seconds(20))) == "value 2 true")
        time.withLock { $0 += .milliseconds(300) }
        #expect(describe(flight.answer(waitingUpTo: .seconds(20))) == "value 3 false")
    }

    @Test func aFlightThatNeverEndsHoldsNobodyForLong() {
        let flight = SingleFlight<Int>(lifetime: .seconds(1)) {}
        #expect(
            describe(flight.answer(waitingUpTo: .milliseconds(20))) == "failure the database did not answer in time")
        flight.stop()
        #expect(describe(flight.answer(waitingUpTo: .seconds(60))) == "failure the service is stopping")
    }

    private func describe(_ answer: SingleFlight<Int>.Answer) -> String {
        switch answer {
        case .value(let value, let isCached): "value \(value) \(isCached)"
        case .failure(let reason): "failure \(reason)"
        }
    }
}
