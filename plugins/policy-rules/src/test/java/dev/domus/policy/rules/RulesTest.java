package dev.domus.policy.rules;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.domus.kernel.abi.Domid;
import dev.domus.kernel.access.AccessPolicy;
import dev.domus.kernel.access.Operation;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** What rules decide, and what is said of files that hold none. */
class RulesTest {
  private static final int PAUSE = 3, UNPAUSE = 4;

  @TempDir private Path directory;

  /** As the built-in policy of a machine where domain 0 alone is privileged. */
  private static final AccessPolicy BUILT_IN =
      (operation, caller, target, detail) ->
          caller == 0 || caller == target && operation.ownIsFree();

  private static AccessPolicy policy(String text) {
    return new Rules(RuleFile.parse("f", text), BUILT_IN);
  }

  @Test
  void aRuleIsForItsSubjectOperationDetailAndObject() {
    AccessPolicy policy = policy("2 domctl:3 5 allow");
    assertTrue(policy.permits(Operation.DOMCTL, 2, 5, PAUSE));
    assertFalse(policy.permits(Operation.DOMCTL, 2, 5, UNPAUSE));
    assertFalse(policy.permits(Operation.DOMCTL, 2, 6, PAUSE));
    assertFalse(policy.permits(Operation.DOMCTL, 3, 5, PAUSE));
    assertFalse(policy.permits(Operation.SYSCTL, 2, 5, PAUSE));
  }

  @Test
  void starsFitAllAndSelfWhoeverAsks() {
    AccessPolicy policy =
        policy("* event_channels self deny\n * sysctl machine allow\n 4 * * allow");
    assertFalse(policy.permits(Operation.EVENT_CHANNELS, 4, 4, 0));
    assertTrue(policy.permits(Operation.EVENT_CHANNELS, 4, 5, 0));
    assertTrue(policy.permits(Operation.SYSCTL, 9, Domid.XEN, 1));
    for (Operation operation : Operation.values()) {
      assertTrue(policy.permits(operation, 4, 1, 77), operation::name);
    }
  }

  @Test
  void theFirstRuleThatFitsDecides() {
    AccessPolicy policy = policy("1 domctl 2 deny\n1 domctl * allow\n1 domctl 3 deny");
    assertFalse(policy.permits(Operation.DOMCTL, 1, 2, 0));
    assertTrue(policy.permits(Operation.DOMCTL, 1, 3, 0));
  }

  @Test
  void whereNoRuleFitsTheBuiltInPolicyDecidesOrWhatTheFileSays() {
    AccessPolicy fallsBack = policy("# nothing");
    assertTrue(fallsBack.permits(Operation.DOMCTL, 0, 3, 0));
    assertTrue(fallsBack.permits(Operation.GRANT_TABLE, 3, 3, 0));
    assertFalse(fallsBack.permits(Operation.DOMCTL, 3, 4, 0));
    AccessPolicy closed = policy("0 domctl * default # as ever\notherwise deny");
    assertTrue(closed.permits(Operation.DOMCTL, 0, 3, 0));
    assertFalse(closed.permits(Operation.SYSCTL, 0, Domid.XEN, 0));
    assertFalse(closed.permits(Operation.GRANT_TABLE, 3, 3, 0));
    assertTrue(policy("otherwise allow").permits(Operation.DOMCTL, 3, 4, 0));
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "1 domctl 2           | f:1: has 3 words, and should be: SUBJECT OPERATION[:DETAIL] OBJECT allow|deny|default",
        "x domctl 2 allow     | f:1: subject is \"x\", and should be a domain id or *; ids are 0 to 32751",
        "1 domctrl 2 allow    | f:1: there is no operation \"domctrl\"; there is *, map_frames,",
        "1 domctl: 2 allow    | f:1: detail is \"\", and should be a number, as in domctl:3",
        "1 domctl 32752 allow | f:1: object is \"32752\", and should be a domain id, self, machine or *",
        "1 domctl 2 permit    | f:1: decision is \"permit\", and should be allow, deny or default",
        "otherwise            | f:1: has 1 words, and should be: otherwise allow|deny|default",
      })
  void aBadRuleIsNamedWithItsLineItsValueAndTheRemedy(String rule, String complaint) {
    IllegalArgumentException wrong =
        assertThrows(IllegalArgumentException.class, () -> RuleFile.parse("f", rule));
    assertTrue(wrong.getMessage().startsWith(complaint), wrong::getMessage);
  }

  @Test
  void linesAreCountedWithCommentsAndEmptyOnes() {
    IllegalArgumentException wrong =
        assertThrows(
            IllegalArgumentException.class,
            () -> RuleFile.parse("f", "# one\n\notherwise deny # three\notherwise allow"));
    assertEquals("f:4: a second \"otherwise\"; leave one", wrong.getMessage());
  }

  @Test
  void thePolicyIsMadeOfAFile() throws Exception {
    Path file = Files.writeString(directory.resolve("rules"), "1 domctl 2 allow");
    AccessPolicy policy = new RulesFactory().create(Optional.of(file.toString()), BUILT_IN);
    assertTrue(policy.permits(Operation.DOMCTL, 1, 2, 0));
    assertEquals(
        "rules want a file; give one, as in rules:FILE",
        assertThrows(
                IllegalArgumentException.class,
                () -> new RulesFactory().create(Optional.empty(), BUILT_IN))
            .getMessage());
    assertEquals(
        file + "x: no such file",
        assertThrows(
                IllegalArgumentException.class,
                () -> new RulesFactory().create(Optional.of(file + "x"), BUILT_IN))
            .getMessage());
  }

  @Test
  void aFileThatCannotBeRulesIsNotReadToItsEnd() {
    IllegalArgumentException tooLong =
        assertThrows(
            IllegalArgumentException.class,
            () -> RuleFile.read(Files.write(directory.resolve("long"), new byte[(1 << 20) + 1])));
    assertTrue(tooLong.getMessage().contains("is longer than 1048576 bytes"), tooLong::getMessage);
  }
}
