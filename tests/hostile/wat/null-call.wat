;; Calls through an empty place of a table.

;; -- items
(table $table 4 funcref)

;; -- add
(call_indirect $table (i32.const 3))
