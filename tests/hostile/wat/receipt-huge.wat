;; Returns a receipt of 10 MiB.

;; -- memory
(memory (export "memory") 200)

;; -- items
(data (i32.const 200) "\00\00\00\00\00\00\01\00\00\00\a0\00")

;; -- add
(return (i32.const 200))
