;; Behaves: returns a receipt of 64 KiB, the longest there may be, of bytes that are no text.

;; -- memory
(memory (export "memory") 4)

;; -- items
(data (i32.const 200) "\00\00\00\00\00\00\01\00\00\00\01\00")

;; -- add
(memory.fill (i32.const 65536) (i32.const 255) (i32.const 65536))
(return (i32.const 200))
