;; Returns a key that is not UTF-8.

;; -- items
(data (i32.const 200) "\00\00\00\00\e0\00\00\00\01\00\00\00")
(data (i32.const 224) "\f0\00\00\00\04\00\00\00")
(data (i32.const 240) "a\ff\feb")

;; -- keys
(return (i32.const 200))
