;; Behaves: returns a key of 1,024 bytes, the longest there may be.

;; -- items
(data (i32.const 200) "\00\00\00\00\e0\00\00\00\01\00\00\00")
(data (i32.const 224) "\00\10\00\00\00\04\00\00")

;; -- keys
(memory.fill (i32.const 4096) (i32.const 107) (i32.const 1024))
(return (i32.const 200))
