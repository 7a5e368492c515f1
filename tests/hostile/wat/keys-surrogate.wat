;; Returns a key with half of a surrogate pair.

;; -- items
(data (i32.const 200) "\00\00\00\00\e0\00\00\00\01\00\00\00")
(data (i32.const 224) "\f0\00\00\00\03\00\00\00")
(data (i32.const 240) "\ed\a0\80")

;; -- keys
(return (i32.const 200))
