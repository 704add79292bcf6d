"""POSLog: tills that drop ARTS POSLog XML files into a spool folder."""
