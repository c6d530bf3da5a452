/** The scheduler {@code @NAME@}. Start at {@link @PACKAGE@.@CLASS@Scheduler}. */
package @PACKAGE@;
