;; Returns a key of 1,025 bytes: one more than there may be.

;; -- items
(data (i32.const 200) "\00\00\00\00\e0\00\00\00\01\00\00\00")
(data (i32.const 224) "\00\10\00\00\01\04\00\00")

;; -- keys
(memory.fill (i32.const 4096) (i32.const 107) (i32.const 1025))
(return (i32.const 200))
