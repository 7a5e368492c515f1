;; Returns a key with a NUL in it.

;; -- items
(data (i32.const 200) "\00\00\00\00\e0\00\00\00\01\00\00\00")
(data (i32.const 224) "\f0\00\00\00\03\00\00\00")
(data (i32.const 240) "k\00k")

;; -- keys
(return (i32.const 200))
