package dev.domus.iommu;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class RequesterIdTest {
  /** Pairs as a Linux host prints them: lspci's address beside the "rid" of the IOMMU driver. */
  @ParameterizedTest
  @CsvSource({"00:00.0, 0x0000", "00:1f.2, 0x00fa", "03:00.1, 0x0301", "ff:1f.7, 0xffff"})
  void textAndBitsAreTheSameIdentity(String text, String bits) {
    RequesterId id = RequesterId.parse(text);

    assertEquals(Integer.decode(bits), id.value());
    assertEquals(text, id.toString());
  }

  @Test
  void everyIdentitySurvivesItsTextAndItsParts() {
    for (int value = 0; value <= 0xffff; value++) {
      RequesterId id = new RequesterId(value);

      assertEquals(id, RequesterId.parse(id.toString()));
      assertEquals(id, RequesterId.of(id.bus(), id.device(), id.function()));
    }
  }

  @Test
  void leadingZerosMayBeLeftOut() {
    assertEquals(RequesterId.of(0, 3, 0), RequesterId.parse("0:3.0"));
  }

  @Test
  void theOrderIsBusThenDeviceThenFunction() {
    assertTrue(RequesterId.parse("00:1f.7").compareTo(RequesterId.parse("01:00.0")) < 0);
    assertTrue(RequesterId.parse("01:01.0").compareTo(RequesterId.parse("01:00.7")) > 0);
  }

  @ParameterizedTest
  @ValueSource(
      strings = {"", "00", "00:00", "00:20.0", "00:00.8", "100:00.0", "0000:00:00.0", "g:0.0"})
  void whatIsNoRequesterIdIsRefusedByName(String text) {
    assertThrows(IllegalArgumentException.class, () -> RequesterId.parse(text));
  }

  @ParameterizedTest
  @ValueSource(ints = {-1, 0x10000})
  void whatDoesNotFitSixteenBitsIsRefused(int value) {
    Exception thrown = assertThrows(IllegalArgumentException.class, () -> new RequesterId(value));

    assertTrue(thrown.getMessage().endsWith("value=" + value), thrown.getMessage());
  }
}
