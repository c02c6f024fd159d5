# static ELF by hand: header + one program header + code
.intel_syntax noprefix
.code64
.globl _start
base = 0x400000
ehdr:
 .byte 0x7f,'E','L','F',2,1,1,0
 .quad 0
 .word 2,62
 .long 1
 .quad base + (_start - ehdr)
 .quad phdr - ehdr
 .quad 0
 .long 0
 .word 64,56,1,0,0,0
phdr:
 .long 1,5
 .quad 0
 .quad base, base
 .quad end - ehdr, end - ehdr
 .quad 0x1000
_start:
 push -1                 # sigset_t: every signal
 mov rbx, rsp
 xor edi, edi            # SIG_BLOCK
 mov rsi, rbx
 xor edx, edx
 push 8
 pop r10                 # sizeof(sigset_t)
 push 14
 pop rax                 # rt_sigprocmask
 syscall
next:
 mov rdi, rbx
 xor esi, esi
 xor edx, edx
 push 8
 pop r10
 mov eax, 128            # rt_sigtimedwait
 syscall
 cmp eax, 15             # SIGTERM
 je quit
 cmp eax, 2              # SIGINT
 je quit
reap:
 push -1
 pop rdi                 # any child
 xor esi, esi
 push 1
 pop rdx                 # WNOHANG
 xor r10d, r10d
 push 61
 pop rax                 # wait4
 syscall
 test eax, eax
 jg reap
 jmp next
quit:
 xor edi, edi
 push 60
 pop rax                 # exit
 syscall
end:
