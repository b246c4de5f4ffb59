import CLibPQ
import Glibc
import Runtime

/// One libpq connection on its thread; nothing of it is reachable from elsewhere.
final class Session {
    let connection: OpaquePointer
    let mailbox: Mailbox
    let notices: NoticeSink
    /// How long the server may take to obey a cancel request before the connection is given up.
    let cancelLimit: Duration
    private(set) var isBroken = false {
        didSet { if isBroken { mailbox.lose() } }
    }
    /// The error that came with the loss of the connection.
    private var loss: PostgresError?
    /// Bytes of a COPY that libpq holds back.
    var unflushed = 0
    /// Nil until connected: only then the server can be asked to stop.
    private var canceller: CancelHandle?
    private var subscriptions: [String: [NotificationBuffer]] = [:]

    init(connection: OpaquePointer, mailbox: Mailbox, notices: NoticeSink, cancelLimit: Duration) {
        self.connection = connection
        self.mailbox = mailbox
        self.notices = notices
        self.cancelLimit = cancelLimit
    }

    deinit { PQfinish(connection) }

    /// Works off the mailbox until the connection is closed or lost; tells the reason when it was lost.
    func serve() -> PostgresError? {
        while true {
            switch mailbox.next() {
            case .stop: return nil
            case .wait: idle()
            case .job(let job):
                if job.cancellation.isSet {
                    job.fail(Self.cancelled(job.attempted))
                } else {
                    job.run(self)
                }
            }
            if isBroken { return loss ?? lossWhileIdle() }
        }
    }

    /// Ends the notification sequences; `error` is nil when the connection was closed on purpose.
    func endSubscriptions(_ error: PostgresError?) {
        for buffer in subscriptions.values.joined() { buffer.finish(error) }
        subscriptions = [:]
    }

    /// The handshake is done: from now on statements can be cancelled.
    func becomeReady() {
        canceller = CancelHandle(connection)
        publishFacts()
    }

    func subscribe(_ buffer: NotificationBuffer, to channel: String) {
        subscriptions[channel, default: []].append(buffer)
    }

    func unsubscribe(_ buffer: NotificationBuffer, from channel: String) {
        subscriptions[channel]?.removeAll { $0 === buffer }
    }

    /// Hands arrived notifications to those who listen.
    func deliverNotifications() {
        while let notification = PQnotifies(connection) {
            defer { PQfreemem(notification) }
            let channel = String(cString: notification.pointee.relname)
            let payload = String(cString: notification.pointee.extra)
            let value = PostgresNotification(channel: channel, payload: payload, pid: notification.pointee.be_pid)
            for buffer in subscriptions[channel] ?? [] { buffer.append(value) }
        }
    }

    // MARK: Waiting

    /// Waits until the socket is ready; sends the cancel request when the deadline passes or the task is cancelled.
    func wait(_ events: Int32, _ flight: inout Flight) throws(PostgresError) {
        while true {
            switch flight.interruption.step(now: Monotonic.now(), isCancelled: flight.cancellation.isSet) {
            case .wait(let until):
                if poll(events, until: until) { return }
            case .sendCancel where canceller == nil:
                throw giveUp(flight)
            case .sendCancel:
                sendCancel(&flight)
            case .giveUp:
                throw giveUp(flight)
            }
        }
    }

    /// Looks at the deadline and the task without waiting, for loops that may never have to wait.
    func checkInterruption(_ flight: inout Flight) throws(PostgresError) {
        switch flight.interruption.step(now: Monotonic.now(), isCancelled: flight.cancellation.isSet) {
        case .wait: return
        case .sendCancel: sendCancel(&flight)
        case .giveUp: throw giveUp(flight)
        }
    }

    /// The server does not answer, or cannot be asked to stop: abandons the connection.
    private func giveUp(_ flight: Flight) -> PostgresError {
        let error = flight.interrupted(sqlState: nil, isConnectionLost: true)
        isBroken = true
        loss = error
        return error
    }

    /// Asks the server to stop because the reader of the rows does not want more.
    func stop(_ flight: inout Flight) {
        if flight.interruption.stop(now: Monotonic.now()) == .sendCancel { sendCancel(&flight) }
    }

    /// Starts the cancel request; `finish` waits for its end, so that it never hits a later statement.
    func sendCancel(_ flight: inout Flight) {
        guard let canceller else { return }
        let done = Flag()
        flight.cancelDone = done
        canceller.send { [mailbox] in
            done.set()
            mailbox.wake()
        }
    }

    /// Ends a statement: settles a cancel request under way, publishes what changed, throws the error if there is one.
    func finish(_ flight: inout Flight, _ error: PostgresError?) throws(PostgresError) {
        settleCancel(&flight)
        if PQstatus(connection) == CONNECTION_BAD { isBroken = true }
        deliverNotifications()
        publishFacts()
        guard var error else { return }
        error.isConnectionLost = isBroken
        if error.sqlState == nil, let fatal = notices.lastFatal {
            (error.kind, error.sqlState, error.message) = (fatal.kind, fatal.sqlState, fatal.message)
        }
        if flight.interruption.reason != nil, error.sqlState == "57014" {
            error = flight.interrupted(sqlState: "57014", isConnectionLost: isBroken)
        }
        if isBroken { loss = error }
        throw error
    }

    /// What libpq says about the connection itself.
    func connectionError(_ attempted: String) -> PostgresError {
        isBroken = isBroken || PQstatus(connection) == CONNECTION_BAD
        return PostgresError(
            kind: isBroken ? .connection : .usage, attempted: attempted,
            message: String(cString: PQerrorMessage(connection)).trimmed, isConnectionLost: isBroken)
    }

    /// Reads what has arrived; a lost connection shows in the results that follow.
    func consumeInput() {
        if PQconsumeInput(connection) == 0 { isBroken = true }
    }

    private func idle() {
        guard poll(POLLIN, until: nil) else { return }
        consumeInput()
        deliverNotifications()
        if PQstatus(connection) == CONNECTION_BAD { isBroken = true }
    }

    private func lossWhileIdle() -> PostgresError {
        notices.lastFatal
            ?? PostgresError(
                kind: .connection, attempted: "wait", message: String(cString: PQerrorMessage(connection)).trimmed,
                isConnectionLost: true)
    }

    private func settleCancel(_ flight: inout Flight) {
        guard let done = flight.cancelDone else { return }
        let giveUpAt = Monotonic.now() + cancelLimit
        while !done.isSet {
            guard Monotonic.now() < giveUpAt else {
                isBroken = true
                return
            }
            _ = poll(0, until: giveUpAt)
        }
        flight.cancelDone = nil
    }

    /// Waits for the socket or a wake-up; true when the socket is ready.
    private func poll(_ events: Int32, until: ContinuousClock.Instant?) -> Bool {
        var watched = [
            pollfd(fd: events == 0 ? -1 : PQsocket(connection), events: Int16(events), revents: 0),
            pollfd(fd: mailbox.event, events: Int16(POLLIN), revents: 0),
        ]
        let limit = until.map { min(max((Monotonic.now().duration(to: $0)).millisecondsRoundedUp, 0), 3_600_000) }
        let ready = Glibc.poll(&watched, 2, limit.map { Int32($0) } ?? -1)
        guard ready > 0 else { return false }
        if watched[1].revents != 0 { mailbox.clearWake() }
        return watched[0].revents != 0
    }

    private func publishFacts() {
        let state = PQtransactionStatus(connection)
        mailbox.update(
            Mailbox.Facts(
                backendPID: PQbackendPID(connection), serverVersion: Int(PQserverVersion(connection)),
                isInTransaction: state == PQTRANS_INTRANS || state == PQTRANS_INERROR))
    }

    static func cancelled(_ attempted: String) -> PostgresError {
        PostgresError(kind: .cancelled, attempted: attempted, message: "the task was cancelled")
    }
}
