# The guest of the KVM probe: a 64 KiB ROM that runs without disk, firmware or operating system.
#
# It goes from real mode to long mode, runs the instructions that a broken KVM cannot (16-byte compare and exchange,
# FXSAVE, XSAVE), counts five million turns, and writes 0x10 to isa-debug-exit, so that QEMU exits with 33. The
# instructions come before the loop because they fail at once, while a slow loop would eat the probe's whole deadline.
#
#   as --32 -o kvm_rom.o kvm_rom.s && ld -m elf_i386 -Ttext 0xF0000 --oformat binary -o kvm_rom.bin kvm_rom.o

        .set    BASE,   0xF0000         # where the ROM lies in the first megabyte
        .set    PML4,   0x1000          # page tables and scratch memory lie in low RAM, cleared below
        .set    PDPT,   0x2000
        .set    PD,     0x3000
        .set    PAIR,   0x4000          # 16 bytes for the compare and exchange
        .set    STATE,  0x5000          # FXSAVE and XSAVE area, 64-byte aligned
        .set    TOP,    0x8000          # end of the cleared memory, top of the stack

        .text
        .globl  _start
        .code16
_start: cli
        xorw    %ax, %ax
        movw    %ax, %ds
        movw    %ax, %es
        movw    %ax, %ss
        movl    $PML4, %edi
        movl    $((TOP - PML4) / 4), %ecx
        xorl    %eax, %eax
        addr32 rep stosl
        movl    $(PDPT | 3), PML4       # present, writable
        movl    $(PD | 3), PDPT
        movl    $0x83, PD               # one 2 MiB page, identity-mapped: it holds this ROM too
        lgdtl   %cs:(gdtr - _start)
        movl    %cr0, %eax
        orl     $1, %eax                # PE
        movl    %eax, %cr0
        ljmpl   $0x08, $protected

        .code32
protected:
        movw    $0x10, %ax
        movw    %ax, %ds
        movw    %ax, %es
        movw    %ax, %ss
        movl    $TOP, %esp
        movl    %cr4, %eax
        orl     $0x220, %eax            # PAE, OSFXSR
        movl    %eax, %cr4
        movl    $PML4, %eax
        movl    %eax, %cr3
        movl    $0xC0000080, %ecx       # EFER
        rdmsr
        orl     $0x100, %eax            # LME
        wrmsr
        movl    %cr0, %eax
        andl    $0xFFFFFFFB, %eax       # no EM: FXSAVE must not trap
        orl     $0x80000002, %eax       # PG, MP
        movl    %eax, %cr0
        ljmpl   $0x18, $long

        .code64
long:   xorl    %eax, %eax
        xorl    %edx, %edx
        movl    $1, %ebx
        xorl    %ecx, %ecx
        lock cmpxchg16b PAIR
        fxsave  STATE
        fxrstor STATE
        movl    $1, %eax
        cpuid
        btl     $26, %ecx               # XSAVE
        jnc     count
        movq    %cr4, %rax
        orl     $0x40000, %eax          # OSXSAVE
        movq    %rax, %cr4
        xorl    %ecx, %ecx
        xorl    %edx, %edx
        movl    $3, %eax                # x87, SSE
        xsetbv
        movl    $3, %eax
        xsave   STATE
        xrstor  STATE
count:  movl    $5000000, %ecx
1:      decl    %ecx
        jnz     1b
        movb    $0x10, %al
        outb    %al, $0xF4
2:      hlt
        jmp     2b

        .balign 8
gdt:    .quad   0
        .quad   0x00CF9B000000FFFF      # 0x08: 32-bit code
        .quad   0x00CF93000000FFFF      # 0x10: data
        .quad   0x00AF9B000000FFFF      # 0x18: 64-bit code
gdtr:   .word   . - gdt - 1
        .long   gdt

        .org    0xFFF0                  # where the processor begins
        .code16
        ljmpw   $(BASE >> 4), $0        # _start
        .org    0xFFFF
        .byte   0
