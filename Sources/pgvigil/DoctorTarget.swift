import Collection
import Postgres
import Runtime
import Secrets

/// The checks of a server, made on a target where nothing of pgvigil is installed.
struct DoctorTarget {
    private let name: String
    private let configuration: PostgresConfiguration
    private let probe: TargetProbe

    /// - Throws: `CommandFault` for keys that cannot be used.
    init(_ name: String, _ invocation: Invocation) throws(CommandFault) {
        self.name = name
        configuration = invocation.database(applicationName: "pgvigil doctor")
        do throws(SecretFault) {
            probe = TargetProbe(configuration, secrets: try SecretOpener(invocation.keySource))
        } catch {
            throw CommandFault(error)
        }
    }

    /// What was found there; that it cannot be asked is a finding too.
    func examine() async throws -> [DoctorFinding] {
        let home = try await PostgresConnection.connect(configuration)
        let question: String
        do {
            question = try await home.query("select monitoring_internal.doctor_query()").scalar ?? ""
        } catch {
            await home.close()
            throw error
        }
        await home.close()
        do throws(PostgresError) {
            let rows = try await probe.ask(name, question)
            await probe.close()
            let findings = rows.map(DoctorFinding.init)
            return findings + [.inOrder("targets", "\(name) answers")]
        } catch {
            await probe.close()
            guard error.sqlState != "PV607" else { throw error }
            return [
                DoctorFinding(
                    check: "targets", severity: .error, subject: name, finding: "the server cannot be asked",
                    evidence: error.message, remedy: "pgvigil targets test \(name)",
                    place: "shell of this machine: shows what is wrong")
            ]
        }
    }
}
