;; Fails with a message of 10 MiB.

;; -- memory
(memory (export "memory") 200)

;; -- items
(data (i32.const 200) "\01\00\00\00\60\00\00\00\01\00\00\00\00\00\01\00\00\00\a0\00\00\00\00\00")

;; -- add
(memory.fill (i32.const 65536) (i32.const 120) (i32.const 10485760))
(return (i32.const 200))
