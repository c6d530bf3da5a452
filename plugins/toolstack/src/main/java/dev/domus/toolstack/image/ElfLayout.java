package dev.domus.toolstack.image;

/**
 * The parts of ELF64 that a domain builder reads (System V gABI, "Object Files"; all
 * little-endian).
 *
 * <pre>
 *  file header (64 bytes)        program header (56 bytes)     section header (64 bytes)
 *     0  u8  ident[16]              0  u32 p_type                 0  u32 sh_name
 *    16  u16 e_type                 4  u32 p_flags                4  u32 sh_type
 *    18  u16 e_machine              8  u64 p_offset               8  u64 sh_flags
 *    20  u32 e_version             16  u64 p_vaddr               16  u64 sh_addr
 *    24  u64 e_entry               24  u64 p_paddr               24  u64 sh_offset
 *    32  u64 e_phoff               32  u64 p_filesz              32  u64 sh_size
 *    40  u64 e_shoff               40  u64 p_memsz               40  …
 *    48  u32 e_flags               48  u64 p_align
 *    52  u16 e_ehsize
 *    54  u16 e_phentsize         note (12 bytes, name and descriptor padded to 4)
 *    56  u16 e_phnum                0  u32 n_namesz
 *    58  u16 e_shentsize            4  u32 n_descsz
 *    60  u16 e_shnum                8  u32 n_type
 *    62  u16 e_shstrndx            12  name, descriptor
 * </pre>
 */
final class ElfLayout {
  /** Size of a structure in bytes. */
  static final int EHDR_SIZE = 64, PHDR_SIZE = 56, SHDR_SIZE = 64, NHDR_SIZE = 12;

  /** The four bytes at the start of every ELF file, as a little-endian number. */
  static final int MAGIC = 0x464C457F;

  /** Offset in the file header. */
  static final int EI_CLASS = 4,
      EI_DATA = 5,
      E_TYPE = 16,
      E_MACHINE = 18,
      E_ENTRY = 24,
      E_PHOFF = 32,
      E_SHOFF = 40;

  /** Offset in the file header. */
  static final int E_PHENTSIZE = 54, E_PHNUM = 56, E_SHENTSIZE = 58, E_SHNUM = 60, E_SHSTRNDX = 62;

  /** Offset in a program header. */
  static final int P_TYPE = 0, P_OFFSET = 8, P_PADDR = 24, P_FILESZ = 32, P_MEMSZ = 40;

  /** Offset in a section header. */
  static final int SH_NAME = 0, SH_TYPE = 4, SH_OFFSET = 24, SH_SIZE = 32;

  /** Offset in a note. */
  static final int N_NAMESZ = 0, N_DESCSZ = 4, N_TYPE = 8;

  /** Required value of a field. */
  static final int ELFCLASS64 = 2, ELFDATA2LSB = 1, ET_EXEC = 2, EM_X86_64 = 62;

  /** Type of a program header. */
  static final int PT_LOAD = 1, PT_NOTE = 4;

  /** Type of a section. */
  static final int SHT_NOBITS = 8, SHT_NOTE = 7;

  private ElfLayout() {}
}
