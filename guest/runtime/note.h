// The assembler macro that writes one Xen ELF note, and the names of the notes. For .S files only.
#include <xen/elfnote.h>

    .macro note type:req, directive:req, value:vararg
    .balign 4
    .long 2f - 1f
    .long 4f - 3f
    .long \type
1:  .asciz "Xen"
2:  .balign 4
3:  \directive \value
4:  .balign 4
    .endm
