package import Postgres
import Runtime

/// Opens a session with the main database of a target, by the target's name.
package typealias TargetOpening = @Sendable (String) async throws(PostgresError) -> PostgresConnection

/// A run on a target that nobody holds any more, or that somebody asked to cancel.
struct LostTargetRun: Sendable, Equatable {
    let id: Int64
    let fence: Int64
    let jobName: String
    let target: String
    /// What to ask there: one row about the backend, which is sent a signal by it.
    let question: String

    init(row: PostgresRow) throws(PostgresError) {
        id = try row.decode("run_id", as: Int64.self)
        fence = try row.decode("fence", as: Int64.self)
        jobName = try row.decode("job_name", as: String.self)
        target = try row.decode("target", as: String.self)
        question = try row.decode("question", as: String.self)
    }
}

extension Scheduler {
    /// Asks targets about runs that are lost there, or are to end, until cancelled.
    ///
    /// Apart from heartbeats and turns, which a network must not hold up.
    func watchTargets() async {
        guard let openTarget else { return }
        while !Task.isCancelled {
            await targetNews.wait(upTo: settings.heartbeatInterval, clock: clock)
            guard let control = state.withLock({ $0.control }), control.connection.isOpen else { continue }
            do throws(PostgresError) {
                let runs = try await control.lostTargetRuns()
                await withTaskGroup(of: Void.self) { group in
                    for run in runs { group.addTask { await self.settle(run, control, openTarget) } }
                }
            } catch {
                if error.kind == .cancelled { return }
                log.warning("asking targets about runs failed", ["error": error.description])
            }
        }
    }

    /// Asks a target whether a run still executes there, ends it, and hands over the answer.
    private func settle(_ run: LostTargetRun, _ control: ControlSession, _ openTarget: TargetOpening) async {
        var facts: String?
        var message: String?
        do throws(PostgresError) {
            let connection = try await openTarget(run.target)
            do throws(PostgresError) {
                facts = try await connection.query(
                    "select pg_catalog.to_jsonb(answer) from (\(run.question)) as answer", timeout: .seconds(10)
                ).scalar
            } catch {
                message = error.message
            }
            await connection.close()
        } catch {
            message = error.message
        }
        do throws(PostgresError) {
            let action = try await control.settle(run, facts: facts, message: message)
            log.warning(
                "run on a target",
                ["run": "\(run.id)", "job": run.jobName, "target": run.target, "action": action])
        } catch {
            log.warning("run on a target is asked after again", ["run": "\(run.id)", "error": error.description])
        }
    }
}
