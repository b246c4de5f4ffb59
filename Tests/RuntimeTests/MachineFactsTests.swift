import Testing

@testable import Runtime

@Suite struct MachineFactsTests {
    @Test func `a clock ahead is told from a slow answer`() {
        let ahead = ClockDifference(before: 100, other: 160.05, after: 100.1)
        #expect(abs(ahead.seconds - 60) < 0.001)
        #expect(abs(ahead.uncertainty - 0.05) < 0.001)
        #expect(ahead.certainSeconds > 59.9)
        let slow = ClockDifference(before: 100, other: 103.9, after: 104)
        #expect(slow.certainSeconds == 0)
        let behind = ClockDifference(before: 100, other: 90, after: 100.2)
        #expect(behind.seconds < -10 && behind.certainSeconds > 9.9)
    }

    @Test func `the shortest round trip is believed`() {
        let slow = ClockDifference(before: 0, other: 9, after: 10)
        let quick = ClockDifference(before: 20, other: 20.01, after: 20.02)
        #expect(ClockDifference.best(of: [slow, quick]) == quick)
        #expect(ClockDifference.best(of: []) == nil)
    }

    @Test func `a folder's file system has room, a missing folder has none to tell of`() throws {
        let room = try #require(DiskRoom(folder: "/tmp"))
        #expect(room.total > 0 && room.available <= room.total)
        #expect(DiskRoom(folder: "/no/such/folder") == nil)
        #expect(DiskRoom(total: 200, available: 10).freeShare == 0.05)
        #expect(DiskRoom(total: 0, available: 0).freeShare == 0)
    }
}
