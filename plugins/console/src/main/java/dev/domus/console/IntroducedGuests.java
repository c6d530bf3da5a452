package dev.domus.console;

import dev.domus.kernel.control.Control;
import dev.domus.kernel.control.DomainInfo;
import dev.domus.kernel.service.StoreConnection;
import java.util.List;
import java.util.Optional;

/**
 * The guests of a backend in domain 0, which learns of them as xenconsoled does: it watches {@code
 * @introduceDomain} and {@code @releaseDomain}. The latter also tells of domains that have only shut
 * down; the hypervisor says which those are.
 */
final class IntroducedGuests implements Guests {
  private static final String INTRODUCE = "@introduceDomain", RELEASE = "@releaseDomain";
  private static final String TOKEN = "console";
  private static final int DOMAIN_0 = 0;

  private final StoreConnection store;
  private final StoredConsole consoles;
  private final Control control;

  IntroducedGuests(StoreConnection store, Control control) {
    this.store = store;
    this.control = control;
    consoles = new StoredConsole(store);
  }

  @Override
  public void watch(Runnable come, Runnable go) {
    store.watch(INTRODUCE, TOKEN, (path, token) -> come.run());
    store.watch(RELEASE, TOKEN, (path, token) -> go.run());
  }

  @Override
  public List<Integer> present() {
    return consoles.domains(StoredConsole.DOMAINS);
  }

  @Override
  public Optional<Integer> port(int domid) {
    return consoles.port(domid, DOMAIN_0);
  }

  @Override
  public Optional<String> incarnation(int domid) {
    return control
        .domain(domid)
        .filter(info -> info.state() != DomainInfo.State.DYING)
        .map(info -> info.uuid().toString());
  }
}
