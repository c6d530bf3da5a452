/** x86-64 in pure Java: decoder, interpreter, translator to bytecode. */
module dev.domus.engine.jvm {
  requires dev.domus.kernel;

  provides dev.domus.kernel.engine.Engine with
      dev.domus.engine.jvm.JvmEngine;
}
