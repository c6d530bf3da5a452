package dev.domus.kernel.sched;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;

class SchedParametersTest {
  private static final SchedulerFactory CREDIT =
      declaring("credit", List.of(new SchedParameter.Numeric("tslice", "ms", 1, 1_000, 30, "")), 1);
  private static final SchedulerFactory RTDS =
      declaring(
          "rtds",
          List.of(
              new SchedParameter.Flag("extra", false, ""),
              new SchedParameter.Choice("order", List.of("edf", "rm"), "edf", "")),
          1_000_000);

  private static SchedulerFactory declaring(
      String name, List<SchedParameter> parameters, long mostBudget) {
    return new SchedulerFactory() {
      @Override
      public String name() {
        return name;
      }

      @Override
      public String description() {
        return "";
      }

      @Override
      public List<SchedParameter> parameters() {
        return parameters;
      }

      @Override
      public List<SchedParameter> unitParameters() {
        return name.equals("credit")
            ? List.of()
            : List.of(
                new SchedParameter.Numeric("budget", "us", 1, mostBudget, 1, ""),
                new SchedParameter.Numeric("period", "us", 1, 1_000_000, 10_000, ""));
      }

      @Override
      public void checkUnit(SchedParameters values) {
        if (values.get("budget") > values.get("period")) {
          throw new IllegalArgumentException("budget exceeds period");
        }
      }

      @Override
      public Scheduler create(SchedPool pool, SchedParameters values) {
        throw new AssertionError("nothing runs here");
      }
    };
  }

  private static String refusal(Runnable check) {
    return assertThrows(IllegalArgumentException.class, check::run).getMessage();
  }

  @Test
  void whatIsNotGivenHasItsDefault() {
    assertEquals(30, SchedParameters.check(CREDIT, Map.of()).get("tslice"));
    SchedParameters rtds = SchedParameters.check(RTDS, Map.of("extra", "yes"));
    assertTrue(rtds.isOn("extra"));
    assertEquals("edf", rtds.text("order"));
    assertFalse(SchedParameters.check(RTDS, Map.of()).isOn("extra"));
  }

  @Test
  void aValueOutOfItsRangeIsRefusedWithTheRange() {
    assertEquals(
        "parameter tslice must be in 1 … 1000 ms: value=0",
        refusal(() -> SchedParameters.check(CREDIT, Map.of("tslice", "0"))));
    assertEquals(
        "parameter tslice wants a whole number of ms: value=x",
        refusal(() -> SchedParameters.check(CREDIT, Map.of("tslice", "x"))));
    assertEquals(
        "parameter order must be one of edf, rm: value=fifo",
        refusal(() -> SchedParameters.check(RTDS, Map.of("order", "fifo"))));
    assertEquals(
        "parameter extra must be on or off: value=maybe",
        refusal(() -> SchedParameters.check(RTDS, Map.of("extra", "maybe"))));
  }

  @Test
  void aParameterOfAnotherSchedulerIsRefusedWithItsOwner() {
    assertEquals(
        "scheduler rtds has no parameter tslice, which belongs to credit; it has: extra, order",
        refusal(() -> SchedParameters.check(RTDS, Map.of("tslice", "10"), List.of(CREDIT, RTDS))));
    assertEquals(
        "scheduler credit has no unit parameter period, which belongs to rtds; it has: none",
        refusal(() ->
            SchedParameters.checkUnit(
                CREDIT, Map.of("period", "10"), SchedParameters.none(), List.of(CREDIT, RTDS))));
  }

  @Test
  void aUnitKeepsWhatWasGivenBeforeAndTheWholeIsChecked() {
    List<SchedulerFactory> known = List.of(CREDIT, RTDS);
    SchedParameters first =
        SchedParameters.checkUnit(RTDS, Map.of("budget", "500"), SchedParameters.none(), known);
    SchedParameters second = SchedParameters.checkUnit(RTDS, Map.of("period", "600"), first, known);
    assertEquals(500, second.get("budget"));
    assertEquals(600, second.get("period"));
    assertEquals(
        "budget exceeds period",
        refusal(() -> SchedParameters.checkUnit(RTDS, Map.of("period", "400"), second, known)));
  }

  @Test
  void aValueThatANewVersionDoesNotAllowGivesWayToTheDefault() {
    SchedParameters given =
        SchedParameters.checkUnit(
            RTDS, Map.of("budget", "900", "period", "1000"), SchedParameters.none(), List.of());
    SchedulerFactory newer = declaring("rtds", List.of(), 100);
    assertEquals(1, SchedParameters.ofUnit(newer, given).get("budget"));
    assertEquals(1_000, SchedParameters.ofUnit(newer, given).get("period"));
  }
}
