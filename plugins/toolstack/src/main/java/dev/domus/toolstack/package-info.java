/**
 * Domain 0's policy: how a domain is described, built, listed and taken down, and the command line
 * that users see.
 *
 * <pre>
 *   cli       commands and their options               →  demo, life, terminal
 *   demo      two guests and a swap of schedulers      →  life
 *   terminal  the user's terminal as a guest console   →  life
 *   life      a guest from creation to its end         →  build
 *   build     the PV domain builder                    →  image
 *   image     kernel images as files
 * </pre>
 *
 * Each package knows those below it. What a user did wrong is a {@link
 * dev.domus.toolstack.BadInputException} everywhere.
 */
package dev.domus.toolstack;
