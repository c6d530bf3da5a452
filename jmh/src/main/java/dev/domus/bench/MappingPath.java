package dev.domus.bench;

import java.lang.annotation.ElementType;
import java.lang.annotation.Retention;
import java.lang.annotation.RetentionPolicy;
import java.lang.annotation.Target;

/**
 * Makes a benchmark part of {@code domus bench}: says which path it measures and what cannot be
 * spared on it. Its parameters and numbers of threads are those that JMH is told; the floor is run
 * with the same ones, next to it.
 *
 * <p>A parameter called {@code pages} is how many pages one operation is about; the page shows the
 * cost against it. A benchmark checks by itself that it did what it claims, and throws if not.
 */
@Retention(RetentionPolicy.RUNTIME)
@Target(ElementType.METHOD)
public @interface MappingPath {
  /** The path, in small letters with hyphens; several benchmarks may share one. */
  String value();

  /** One line: what one operation is. */
  String what();

  /**
   * The benchmark that is the lower bound: a method of the same class, or {@code Class.method} of
   * another one in the same package.
   */
  String floor();

  /**
   * Numbers of threads that are worth a measurement, each with machine and memory of its own, or
   * sharing what the class says.
   */
  int[] threads() default {1};

  /** Whether {@code --quick} has it. */
  boolean quick() default true;
}
