import CLibPQ
import Glibc

/// The settings of a connection after libpq has merged string, environment and service file.
struct ConnectionOptions {
    private var values: [String: String]

    init(values: [String: String]) { self.values = values }

    init(of connection: OpaquePointer) {
        values = [:]
        guard let options = PQconninfo(connection) else { return }
        defer { PQconninfoFree(options) }
        var option = options
        while let keyword = option.pointee.keyword {
            let name = String(cString: keyword)
            if Self.needed.contains(name), let value = option.pointee.val { values[name] = String(cString: value) }
            option += 1
        }
    }

    /// The user's own limit; libpq's smallest is two seconds, and zero or less means none.
    var connectTimeout: Duration? {
        guard let seconds = values["connect_timeout"].flatMap({ Int($0) }) else { return nil }
        return seconds <= 0 ? .seconds(366 * 86_400) : .seconds(max(seconds, 2))
    }

    /// Makes a dead network show within a minute, where the user has not decided otherwise.
    func keepAlive(socket: Int32) {
        guard values["keepalives"] != "0" else { return }
        set("keepalives_idle", socket, TCP_KEEPIDLE, 30)
        set("keepalives_interval", socket, TCP_KEEPINTVL, 10)
        set("keepalives_count", socket, TCP_KEEPCNT, 3)
        set("tcp_user_timeout", socket, TCP_USER_TIMEOUT, 60_000)
    }

    private func set(_ name: String, _ socket: Int32, _ option: Int32, _ value: Int32) {
        guard values[name] == nil else { return }
        var value = value
        // A Unix socket refuses these, which is as good.
        setsockopt(socket, Int32(IPPROTO_TCP), option, &value, socklen_t(MemoryLayout<Int32>.size))
    }

    private static let needed: Set<String> = [
        "connect_timeout", "keepalives", "keepalives_idle", "keepalives_interval", "keepalives_count",
        "tcp_user_timeout",
    ]
}
