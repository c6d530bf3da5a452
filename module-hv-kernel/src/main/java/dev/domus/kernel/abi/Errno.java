package dev.domus.kernel.abi;

/** Xen's error numbers; a hypercall returns them negated. */
public final class Errno {
  /** Error number as in Xen's public errno.h. */
  public static final int EPERM = 1,
      ENOENT = 2,
      ESRCH = 3,
      EIO = 5,
      ENXIO = 6,
      E2BIG = 7,
      ENOEXEC = 8,
      EBADF = 9;

  /** Error number as in Xen's public errno.h. */
  public static final int EAGAIN = 11,
      ENOMEM = 12,
      EACCES = 13,
      EFAULT = 14,
      EBUSY = 16,
      EEXIST = 17,
      EXDEV = 18;

  /** Error number as in Xen's public errno.h. */
  public static final int ENODEV = 19,
      EINVAL = 22,
      ENOSPC = 28,
      EROFS = 30,
      EDOM = 33,
      ERANGE = 34,
      EDEADLK = 35;

  /** Error number as in Xen's public errno.h. */
  public static final int ENOSYS = 38,
      ENODATA = 61,
      ETIME = 62,
      EOVERFLOW = 75,
      EILSEQ = 84,
      ERESTART = 85;

  /** Error number as in Xen's public errno.h. */
  public static final int EOPNOTSUPP = 95,
      ENOBUFS = 105,
      EISCONN = 106,
      ENOTCONN = 107,
      ETIMEDOUT = 110;

  private Errno() {}

  /**
   * The symbolic name of an error number, for messages.
   *
   * @param errno a positive error number
   */
  public static String name(int errno) {
    return switch (errno) {
      case EPERM -> "EPERM";
      case ENOENT -> "ENOENT";
      case ESRCH -> "ESRCH";
      case EIO -> "EIO";
      case ENXIO -> "ENXIO";
      case E2BIG -> "E2BIG";
      case ENOEXEC -> "ENOEXEC";
      case EBADF -> "EBADF";
      case EAGAIN -> "EAGAIN";
      case ENOMEM -> "ENOMEM";
      case EACCES -> "EACCES";
      case EFAULT -> "EFAULT";
      case EBUSY -> "EBUSY";
      case EEXIST -> "EEXIST";
      case EXDEV -> "EXDEV";
      case ENODEV -> "ENODEV";
      case EINVAL -> "EINVAL";
      case ENOSPC -> "ENOSPC";
      case EROFS -> "EROFS";
      case EDOM -> "EDOM";
      case ERANGE -> "ERANGE";
      case EDEADLK -> "EDEADLK";
      case ENOSYS -> "ENOSYS";
      case ENODATA -> "ENODATA";
      case ETIME -> "ETIME";
      case EOVERFLOW -> "EOVERFLOW";
      case EILSEQ -> "EILSEQ";
      case ERESTART -> "ERESTART";
      case EOPNOTSUPP -> "EOPNOTSUPP";
      case ENOBUFS -> "ENOBUFS";
      case EISCONN -> "EISCONN";
      case ENOTCONN -> "ENOTCONN";
      case ETIMEDOUT -> "ETIMEDOUT";
      default -> "errno " + errno;
    };
  }
}
