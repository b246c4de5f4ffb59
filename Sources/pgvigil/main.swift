import Runtime

// Signals are held back before any thread starts; the main thread then does nothing but take them.
Signals.block()
let words = Array(CommandLine.arguments.dropFirst())
let signals = SignalRelay()
Signals.run(
    handler: { [signals] in signals.handle($0) },
    { [words, signals] in await Program.run(words: words, signals: signals) })
