;; Returns a receipt of 64 KiB and one byte.

;; -- memory
(memory (export "memory") 4)

;; -- items
(data (i32.const 200) "\00\00\00\00\00\00\01\00\01\00\01\00")

;; -- add
(return (i32.const 200))
