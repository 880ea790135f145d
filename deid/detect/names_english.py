"""English first and last names, and the capitalised words of clinical text that are neither."""

# ruff: noqa: E501  # a pattern or a table of words is one line each

# patterns and word lists are read, searched and compared as one line each

from functools import cache
from pathlib import Path

from deid.detect.lexicon import listed

_TABLE = Path(__file__).with_name("english_names.txt")


@cache
def many() -> frozenset[str]:
    """Return many first and last names, lower case, that are no ordinary words. Source: ``english_names.README.md``.

    >>> "imelda" in many(), "patient" in many()
    (True, False)
    """
    return frozenset(_TABLE.read_text("utf-8").split())


FIRST = listed(
    """
Aaliyah Aaron Abby Abdul Abigail Adam Adrian Agnes Ahmed Aidan Aiden Aisha Alan Albert Alejandro Alex Alexander
Alexandra Alexis Alfred Ali Alice Alicia Alison Allan Allen Allison Alma Alyssa Amanda Amber Amelia Amir Amy
Ana Andre Andrea Andrew Angel Angela Angelica Angie Anil Anita Ann Anna Anne Annette Annie Anthony Antonio
Aoife Ariana Arjun Arlene Arnold Arthur Ashley Audrey Ava Barbara Barry Beatrice Becky Ben Benjamin Bernard
Bernice Beth Bethany Betty Beverly Bill Billy Bob Bobby Bonnie Boris Brad Bradley Brandi Brandon Brenda Brent
Brett Brian Brianna Bridget Brittany Brooke Bruce Bryan Caitlin Caleb Calvin Cameron Candace Carla Carlos
Carmen Carol Caroline Carolyn Carrie Casey Catherine Cathy Cecilia Chad Charlene Charles Charlie Charlotte
Chelsea Cheryl Chidi Chloe Chris Christian Christina Christine Christopher Christy Cindy Claire Clara Clarence
Claudia Clayton Clifford Clinton Clyde Cody Colin Colleen Connie Connor Constance Corey Courtney Craig Crystal
Curtis Cynthia Daisy Dale Damian Dan Dana Daniel Danielle Danny Darlene Darren Darryl Dave David Dawn DeShawn
Dean Deanna Debbie Deborah Debra Deepak Denise Dennis Derek Derrick Devin Diana Diane Diego Dmitri Dolores
Dominic Don Donald Donna Doris Dorothy Doug Douglas Duane Dustin Dylan Earl Ed Eddie Edgar Edith Edna Eduardo
Edward Edwin Eileen Elaine Eleanor Elena Eli Elias Elijah Elizabeth Ella Ellen Ellie Elsie Emily Emma Enrique
Eric Erica Erik Erin Ernest Esther Ethan Ethel Eugene Eva Evan Evelyn Faith Fatima Fatou Felicia Felix Feng
Fernando Florence Frances Francis Francisco Frank Fred Frederick Gabriel Gabriella Gail Gareth Gary Gavin Gene
Geoffrey George Georgia Gerald Geraldine Gilbert Gina Giovanni Giulia Gladys Glen Glenn Gloria Gordon Greg
Gregory Gwendolyn Hannah Hao Harold Harriet Harry Harvey Hassan Hazel Heather Hector Heidi Helen Henry Herbert
Herman Hiroshi Holly Hong Howard Hugh Hui Ian Ibrahim Ida Ingrid Irene Iris Isaac Isabel Isabella Isaiah Ivan
Jack Jackie Jacob Jacqueline Jacques Jacqui Jaime Jake James Jamie Jan Jane Janet Janice Jasmine Jason Javier
Jay Jean Jeanette Jeff Jeffery Jeffrey Jenna Jennifer Jenny Jeremy Jerome Jerry Jesse Jessica Jessie Jesus Jian
Jianguo Jill Jim Jimmy Jing Jo Joan Joann Joanna Joanne Jocelyn Jodi Joe Joel John Johnny Jon Jonathan Jordan
Jorge Jose Joseph Josephine Josh Joshua Joy Joyce Juan Juanita Judith Judy Julia Julian Julie June Justin
Kaitlyn Karen Karl Kate Katelyn Katherine Kathleen Kathryn Kathy Katie Katrina Kay Kayla Keith Kelly Kelsey Ken
Kenji Kenneth Kenny Kerry Kevin Kim Kimberly Kirk Kristen Kristi Kristin Kristina Kristy Kurt Kwame Kyle
Lakshmi Lance Larry Lars Latisha Latoya Laura Lauren Laurie Lawrence Layla Leah Lee Lena Leo Leon Leonard Leroy
Leslie Lester Lewis Liam Lillian Lily Linda Lindsay Lindsey Lisa Lloyd Logan Lois Loretta Lori Lorraine Louis
Louise Lucas Lucia Lucille Lucy Luis Luke Lydia Lynn Mackenzie Madeline Madison Malik Manuel Marc Marcia Marcus
Margaret Maria Mariah Marian Marie Marilyn Mario Marion Marissa Marjorie Marlene Marsha Martha Martin Marvin
Mary Maryann Matt Matthew Maureen Maurice Max Maxine Megan Meghan Mei Melanie Melinda Melissa Melody Melvin
Mercedes Mia Michael Micheal Michele Michelle Miguel Mike Mildred Milton Ming Minh Minnie Miranda Misty
Mitchell Mohamed Mohammed Molly Monica Morgan Muhammad Muriel Myra Myrtle Nadia Nancy Naomi Natalie Natasha
Nathan Nathaniel Neil Nellie Ngozi Nguyen Niamh Nicholas Nick Nicole Nina Noah Noel Nora Norma Norman Olga
Oliver Olivia Omar Oscar Owen Paige Pam Pamela Patricia Patrick Patsy Patti Paul Paula Pauline Pedro Peggy
Penny Perry Pete Peter Philip Phillip Phyllis Pierre Priya Priyanka Qiang Rachel Rafael Raj Ralph Ramon Randall
Randy Raquel Raul Ravi Ray Raymond Rebecca Regina Renee Ricardo Richard Rick Ricky Riley Rita Rob Robert
Roberta Roberto Robin Rodney Roger Rohan Roland Ron Ronald Ronnie Rosa Rosalie Rose Rosemary Ross Roy Ruben
Ruby Russell Ruth Ryan Sabrina Sally Sam Samantha Samuel Sandra Sandy Sanjay Sara Sarah Savannah Scott Sean
Sergio Seth Shane Shannon Sharon Shaun Shawn Sheila Shelby Shelly Sheri Sherri Sherry Shirley Sidney Silvia
Simon Siobhan Sofia Sonia Sophia Sophie Stacey Stacy Stanley Stella Stephanie Stephen Steve Steven Stuart Sue
Summer Sunita Susan Suzanne Sven Svetlana Sydney Sylvia Tabitha Tamara Tammy Tanya Tara Tasha Tatiana Taylor
Ted Teresa Terrence Terri Terry Thanh Thelma Theodore Theresa Thomas Tiffany Tim Timothy Tina Todd Tom Tommy
Toni Tony Tonya Tracey Traci Tracy Travis Trevor Tricia Troy Tyler Tyrese Tyrone Valerie Vanessa Vera Vernon
Veronica Vicki Vickie Victor Victoria Vijay Vincent Viola Violet Virginia Vivian Wade Walter Wanda Warren Wayne
Wei Wendy Wesley Whitney Wilbur Will Willard William Willie Wilma Xavier Xiaoming Xin Xiu Yan Yang Ying Yolanda
Yuki Yusuf Yvette Yvonne Zachary Zainab Zoe
"""
)
LAST = listed(
    """
Adams Adeyemi Aguilar Ahmed Alexander Ali Allen Alvarado Alvarez Anderson Andrews Armstrong Arnold Austin
Bailey Baker Banks Barnes Becker Begum Bell Bennett Bernard Berry Bishop Black Bowman Boyd Bradley Brooks Brown
Bryant Burke Burns Burton Butler Byrne Cai Campbell Cao Carlson Carpenter Carr Carroll Carter Castillo Castro
Chapman Chavez Chen Chowdhury Clark Cohen Cole Coleman Collins Contreras Cook Cooper Cox Crawford Cruz
Cunningham Daniels Das Davis Day Dean Delgado Deng Diaz Dixon Dominguez Dong Doyle Dubois Duncan Dunn Edwards
Elliott Ellis Espinoza Esposito Estrada Evans Feng Ferguson Fernandez Ferrari Fields Fischer Fisher Flores Ford
Foster Fowler Fox Franklin Freeman Friedman Fuller Gallagher Gao Garcia Gardner Garrett Garza George Gibson
Gilbert Goldberg Gomez Gonzales Gonzalez Gordon Graham Grant Gray Green Greene Griffin Guerrero Guo Gupta
Gutierrez Guzman Hall Hamilton Hansen Hanson Harper Harris Harrison Hart Harvey Hawkins Hayes Henderson Henry
Hernandez Herrera Hicks Hill Hoffman Holmes Howard Howell Huang Hudson Hughes Hunt Hunter Hussain Ivanov Iyer
Jackson Jacobs James Jenkins Jensen Jiang Jimenez Johnson Johnston Jones Jordan Katz Kelley Kelly Kennedy Khan
Kim King Knight Kowalski Kumar Lane Larson Laurent Lawrence Lawson Le Lee Levy Lewis Li Liang Lin Little Liu
Long Lopez Lucas Luna Luo Lynch Maldonado Marquez Marshall Martin Martinez Mason Matthews Mbeki McCarthy McCoy
McDonald Medina Mehta Mejia Mendez Mendoza Mensah Meyer Miller Mills Mitchell Montgomery Moore Morales Moreau
Moreno Morgan Morris Morrison Muller Munoz Murphy Murray Myers Nair Nelson Nguyen Nichols Novak Nunez OBrien
OConnor ONeill OSullivan Okafor Oliver Olson Ortega Ortiz Owens Padilla Palmer Pan Park Parker Patel Patterson
Payne Pena Peng Perez Perkins Perry Peters Peterson Petrov Phillips Pierce Porter Powell Price Ramirez Ramos
Rao Ray Reddy Reed Reid Reyes Reynolds Rice Richards Richardson Riley Rios Rivera Roberts Robertson Robinson
Rodriguez Rogers Rojas Romero Rose Ross Rossi Ruiz Russell Russo Ryan Salazar Sanchez Sanders Sandoval Santiago
Santos Sato Schmidt Schneider Schultz Scott Shah Sharma Shaw Silva Simmons Simpson Sims Singh Smith Snyder Soto
Spencer Stephens Stevens Stewart Stone Sullivan Sun Suzuki Tanaka Tang Taylor Thomas Thompson Tian Torres Tran
Tucker Turner Valdez Vargas Vasquez Vega Wagner Walker Wallace Walsh Wang Ward Warren Washington Watanabe
Watkins Watson Weaver Webb Weber Wei Welch Wells West Wheeler White Williams Williamson Willis Wilson Wong Wood
Woods Wright Wu Xiao Xie Xu Yamamoto Yang Ye Young Yuan Zhang Zhao Zheng Zhou Zhu
"""
)
_NOT_NAMES = (
    "A An And As At Be But By Did Do For From Had Has Have He Her His How I If In Is It Its May Me My No Not Of Off On Or Our Out She So That The Their Them Then There They This To Up Us Was We Were What When Where Which Who Why Will With You Your Yes Also All Any Are Both Can Could Each Either Few Please Per Some Such Than These Those Through Under Until Upon Very Via While Would "
    "Admission Admit Admitted Discharge Discharged Date Dates Time History Present Illness Past Medical Surgical Family Social Review Systems System Physical Exam Examination Vital Vitals Signs Assessment Plan Impression Diagnosis Diagnoses Medications Medication Allergies Allergy Labs Lab Laboratory Imaging Results Result Hospital Course Condition Disposition Follow Followup Instructions Chief Complaint Subjective Objective Problem List Procedure Procedures Findings Technique Indication Comparison Conclusion Recommendation Recommendations Report Note Notes Summary Progress Consult Consultation Operative Preoperative Postoperative Anesthesia General Local Department Dept Service Unit Room Bed Ward Floor "
    "Patient Patients Pt Name Age Sex Gender Male Female Dob Mrn Address Phone Fax Email Insurance Policy Account Number Id Doctor Dr Physician Provider Nurse Attending Resident Surgeon Primary Care Secondary Emergency Contact Mother Father Wife Husband Son Daughter Sister Brother Spouse Parent Parents Mom Dad Child Baby Signed Dictated Transcribed Electronically Reviewed Reported By Cc Re Dear Sincerely Regards Thank Thanks Hello Hi Md Rn Np Pa Do Phd Ma Lpn "
    "Iiia Iiib Iiic Iia Iib Iic Npi Dea Dtr Implants Ice Mitts Rash Officer Mr Mrs Ms Miss Mx Prof Det Sgt Lt Col Capt Officer Read Signed Employer Group Survivor Advocate Caller Reporter Site Event Baby Transfer Tech Exam Section Partner Subscriber Questions Service Paid Recall Port Device Lot Serial Model Batch Pain Burn Sling Swab Stitch Sutures Drain Drains Catheter Tube Wound Dressing Gauze Fluid Fluids Intake Output Urine Stool Labs Swelling Redness Bruising Numbness Tingling Cramps Itching Hives Sleep Appetite Energy Mood Affect Speech Thought Insight Judgment Memory Attention Gait Station Tone Power Reflexes Sensation Vision Hearing Taste Smell Vaccines Vaccine Immunizations Growth Development Diet Feeding Formula Breastfeeding Milestones "
    "Left Right Bilateral Upper Lower Anterior Posterior Lateral Medial Proximal Distal Head Neck Chest Abdomen Pelvis Back Heart Lungs Lung Liver Kidney Renal Cardiac Pulmonary Respiratory Gastrointestinal Genitourinary Neurological Neuro Neurologic Musculoskeletal Skin Eyes Ears Nose Throat Heent Extremities Psych Psychiatric Constitutional Endocrine Hematologic Blood Pressure Pulse Heart Rate Temperature Weight Height Oxygen Saturation Normal Abnormal Negative Positive Acute Chronic Severe Mild Moderate Stable "
    "Monday Tuesday Wednesday Thursday Friday Saturday Sunday January February March April June July August September October November December Today Yesterday Tomorrow Morning Evening Night "
    "Medicine Surgery Cardiology Neurology Oncology Radiology Pathology Pediatrics Obstetrics Gynecology Psychiatry Dermatology Urology Orthopedics Ophthalmology Gastroenterology Nephrology Pulmonology Rheumatology Hematology Endocrinology Infectious Disease Intensive Icu Er Ed Or Clinic Center Centre Hospital Medical Memorial University Health Healthcare Street Avenue Road Drive Lane Insurance Medicare Medicaid County State City "
    "Aspirin Heparin Insulin Metformin Lisinopril Atorvastatin Warfarin Furosemide Amlodipine Metoprolol Albuterol Prednisone Omeprazole Gabapentin Levothyroxine Acetaminophen Ibuprofen Vancomycin Ceftriaxone Penicillin Amoxicillin Morphine Fentanyl Tylenol Lasix Coumadin Plavix Lipitor Zofran Ativan Norco Xanax Ct Mri Ecg Ekg Xray Cxr Iv Po Bid Tid Qid Prn Qhs Nkda Copd Chf Cad Htn Dm Dvt Pe Uti Mi Cva Tia Cbc Bmp Cmp Inr Wbc Hgb Ast Alt Bun "
    "American English Spanish Chinese French German Italian Japanese Korean Russian African Asian Hispanic Caucasian White Black Christian Catholic Jewish Muslim Hindu Buddhist Grade Stage Type Class Level Score Scale Test Sign Syndrome Disease Continue Start Stop Increase Decrease Take Given Discussed Seen Called Informed Denies Reports States Presents Presented Complains Noted Recommend Ordered Received Status Post Due Since After Before During Following Overall Currently Previously Recently Otherwise However Therefore Additionally Unremarkable Within Limits "
    "Home Work Cell Mobile Office Contact Relationship Occupation Employer Marital Married Single Divorced Widowed Race Ethnicity Language Interpreter Religion Code Full Dnr Dni Living Next Kin Proxy Case Specimen Collected Received Final Preliminary Amended Page End Begin Hope Faith Grace Joy Summer Dawn Art Grant Mark Frank Rich Bill Pat Rose Iris Ray Gene Angel Will Max Penny Crystal Melody Dale Glen Earl Jean Jesus Christian Jordan Georgia Virginia Sydney Savannah Florence Carolina Madison Mercedes Clay Drew Chase Hunter Iv Ii Iii"
)
NOT_NAMES = frozenset(_NOT_NAMES.split())
